"""Which libpython a program is linked with, and how it is found."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.errors import InterpreterError
from pyo3magic.programs import embed
from pyo3magic.programs.embed import LIBRARY_PATHS, Library, find_embedding, find_library
from pyo3magic.store import Store

if TYPE_CHECKING:
    from .conftest import Cells

_CURRENT = Interpreter.current()
_FOUND = find_library(_CURRENT)
_SYSTEM = LIBRARY_PATHS.get(sys.platform, "LD_LIBRARY_PATH")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has import libraries instead")


def _static() -> Path | None:
    import sysconfig

    file = Path(str(sysconfig.get_config_var("LIBPL")), f"lib{_CURRENT.lib_name}.a")
    return file if file.is_file() else None


@pytest.mark.skipif(_FOUND is None or not _FOUND.is_shared, reason="this Python has no shared libpython")
def test_a_shared_library_is_linked_and_found(tmp_path: Path) -> None:
    assert _FOUND is not None
    made = find_embedding(
        _CURRENT, {_SYSTEM: "/other", "PATH": "/bin"}, store=Store(tmp_path / "store"), links=tmp_path
    )
    assert made.variables[_SYSTEM].split(os.pathsep) == [str(_FOUND.file.parent), "/other"]
    assert made.variables["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]
    assert "shared=true" in made.config
    assert "suppress_build_script_link_lines" not in made.config
    assert made.link_arguments == ()


@pytest.mark.skipif(_FOUND is None or not _FOUND.is_shared, reason="this Python has no shared libpython")
def test_a_library_without_its_short_name_gets_one(tmp_path: Path) -> None:
    """As where a distribution's -dev package is not installed."""
    made = find_embedding(
        dataclasses.replace(_CURRENT, lib_name="python-other"),
        {},
        store=Store(tmp_path / "store"),
        links=tmp_path / "links",
    )
    assert f"lib_dir={tmp_path / 'links'}" in made.config
    (link,) = (tmp_path / "links").iterdir()
    assert link.stem == "libpython-other"
    assert link.resolve().is_file()


def test_static_where_only_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / f"lib{_CURRENT.lib_name}.a"
    library.touch()
    monkeypatch.setattr(embed, "find_library", lambda _: Library(library, is_shared=False))
    made = find_embedding(_CURRENT, {}, store=Store(tmp_path / "store"), links=tmp_path)
    assert "suppress_build_script_link_lines=true" in made.config
    assert f"whole-archive,-bundle={_CURRENT.lib_name}" in made.config
    assert f"link-search=native={tmp_path}" in made.config
    assert "-Wl,--export-dynamic" in made.link_arguments
    assert _SYSTEM not in made.variables


def test_no_library_at_all(tmp_path: Path) -> None:
    nowhere = dataclasses.replace(_CURRENT, lib_name="python9.9", lib_dir=str(tmp_path), base_prefix=str(tmp_path))
    if find_library(nowhere) is not None:
        pytest.skip("this Python's LIBPL has its library under the full name")
    with pytest.raises(InterpreterError, match=r"libpython9\.9\.a is in .*") as caught:
        find_embedding(nowhere, {}, store=Store(tmp_path / "store"), links=tmp_path)
    assert "sudo apt install" in caught.value.advice


@pytest.mark.cargo
@pytest.mark.slow
@pytest.mark.skipif(_static() is None, reason="this Python has no static library")
def test_a_program_with_the_static_library_runs(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = _static()
    assert library is not None
    monkeypatch.setattr(embed, "find_library", lambda _: Library(library, is_shared=False))
    cells.bin(
        """
        fn main() -> PyResult<()> {
            let maps = std::fs::read_to_string("/proc/self/maps")?;
            println!("shared: {}", maps.contains("libpython"));
            Python::attach(|py| {
                for name in ["_json", "_struct", "math", "ctypes"] { py.import(name)?; }
                println!("{}", py.import("sys")?.getattr("prefix")?);
                Ok(())
            })
        }
        """
    )
    assert capsys.readouterr().out == f"shared: false\n{sys.prefix}\n"
