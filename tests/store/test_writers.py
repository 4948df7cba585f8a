"""Only the store's own room writes into the store; other rooms fill a workspace, and cargo its target folders."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WATCHED = r"""
import json, os, sys
from pathlib import Path
import pyo3magic
from pyo3magic.cell import Options
from pyo3magic.compile.warm_up import warm
from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.programs.request import Request
from pyo3magic.programs.run import perform
from pyo3magic.session import Session
from pyo3magic.store import Store

STORE, PACKAGE = sys.argv[1] + os.sep, os.path.dirname(pyo3magic.__file__) + os.sep
OWN = (STORE + "tmp" + os.sep, STORE + "sessions" + os.sep)  # workspaces, and this kernel's own folder
CHANGING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}
writers = set()

def watch(event, arguments):
    if event not in CHANGING and not (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    paths = [os.fspath(path) for path in arguments[:2] if isinstance(path, (str, os.PathLike))]
    if not any(path.startswith(STORE) and not path.startswith(OWN) for path in paths):
        return
    frame = sys._getframe(1)
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    if frame is not None:
        writers.add(frame.f_code.co_filename.removeprefix(PACKAGE))

sys.addaudithook(watch)
number = os.getpid()  # no cell is in the store yet
store = Store(Path(sys.argv[1]))
warm(store)
session = Session(store)
session.open()
session.run(Options(), f"pub fn plain() -> u32 {{ {number} }}", BuildOptions(force=True), label="In[1]")
session.run(Options(module="used_cell"), f"#[pyclass] pub struct Used(pub u32); // {number}", label="In[2]")
session.run(Options(), f"use used_cell::Used; #[pyfunction] fn using() -> Used {{ Used({number}) }}", label="In[3]")
session.run(Options(crate=sys.argv[2]), "", label="In[4]")
program = "use used_cell::Used; fn main() { assert!(Used(1).0 < %d); }" % number
perform(session, Options(), program, Request("bin"), label="In[5]", built=lambda _: None)
session.close()
print(json.dumps(sorted(writers)))
"""
LINKS = "compile/project_mirror.py"
"""Makes a folder of symbolic links from a project, which is no content of the store's own."""
PROJECT = """[package]
name = "watched"
version = "0.1.0"
edition = "2021"
[lib]
crate-type = ["cdylib"]
[dependencies]
pyo3 = "0.30"
"""
SOURCE = "#[pyo3::pymodule] mod watched { #[pymodule_export] const ANSWER: u8 = 42; }"


@pytest.mark.cargo
@pytest.mark.slow
def test_only_the_store_writes_into_it(store: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "Cargo.toml").write_text(PROJECT)
    (tmp_path / "src" / "lib.rs").write_text(SOURCE)
    command = [sys.executable, "-c", WATCHED, str(store), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    writers = set(json.loads(done.stdout.splitlines()[-1]))
    assert {name for name in writers if not name.startswith("store/")} <= {LINKS}
    assert "store/files.py" in writers
