"""Compile a module again with line tables, to learn the lines of the addresses at which a process crashed.

Modules in the store have no line tables: those of the standard library would make each module 4 MB larger. The same
compiler with the same arguments makes the same machine code, with line tables or without.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from pyo3magic.crate.python_module import SUPPORT
from pyo3magic.process import run

from .dylibs import Links, linked_line, reachable_cells
from .profile import Profile
from .rustc_line import read_invocation, rustflags
from .shared_runtime import stored_provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyo3magic.store import Artifact, Store

    from .rustc_line import Invocation

__all__ = ["compile_with_lines"]

_log = logging.getLogger(__name__)
_SUPPORT = re.compile(r'(?<=\[dependencies\.pyo3magic-support\]\npath = )".*"')
_MOST_ATTEMPTS = 2


def compile_with_lines(store: Store, artifact: Artifact, environ: Mapping[str, str], workspace: Path) -> Iterator[Path]:
    """Compile a stored cell with each recorded rustc command that may have built it, and yield the library files.

    Args:
        store: the store, in whose plans the commands are.
        artifact: the cell's artifact.
        environ: the environment.
        workspace: an empty temporary folder.
    """
    for number, invocation in enumerate(_invocations(store, artifact.crate, environ)):
        folder, output = workspace / f"package{number}", workspace / f"out{number}"
        shutil.copytree(artifact.crate, folder, copy_function=shutil.copyfile)
        output.mkdir()
        if artifact.providers:
            arguments = _linked(store, artifact, invocation, folder, output)
        else:
            arguments = list(invocation.elsewhere(folder, output))
        arguments += ["-Cdebuginfo=line-tables-only", "-Cstrip=none"]
        finished = run(arguments, cwd=folder, environ={**environ, **invocation.variables})
        _log.info("compiled %s with line tables: status %d", artifact.crate, finished.status)
        yield from (path for path in output.iterdir() if path.suffix in {".so", ".dylib"})


def _linked(store: Store, artifact: Artifact, invocation: Invocation, folder: Path, output: Path) -> list[str]:
    """Write the source of a linked cell as it was compiled, and return the compiler's arguments."""
    name = artifact.file.stem.removeprefix("lib")
    used = {name: store.need(name, digest) for name, digest in artifact.cells.items()}
    providers = tuple(map(stored_provider, artifact.providers))
    reachable = reachable_cells(store, used)
    links = Links(name, invocation, used, reachable, providers, library=_is_library(artifact))
    first, _, rest = (folder / "src" / "lib.rs").read_text(encoding="utf-8").partition("\n")
    crates = " ".join(f"extern crate {crate} as _;" for crate in links.extern_crates)
    source = f"src/{name}.rs"
    (folder / source).write_text(first.replace(SUPPORT, f"{SUPPORT} {crates}") + "\n" + rest, encoding="utf-8")
    return linked_line(links, Profile(), source, output)


def _is_library(artifact: Artifact) -> bool:
    """Return whether other cells can use a linked cell: its file then has rustc's metadata."""
    with artifact.file.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".rustc")
        return section is not None


def _invocations(store: Store, crate: Path, environ: Mapping[str, str]) -> Iterator[Invocation]:
    """Yield the recorded commands for packages with the same manifest and dependencies, the most recent ones first."""
    wanted = _manifest(crate)
    plans = sorted(store.place("plans").iterdir(), key=lambda plan: plan.stat().st_mtime, reverse=True)
    found = 0
    for plan in plans:
        with contextlib.suppress(OSError):
            if _manifest(plan / "crate") == wanted and found < _MOST_ATTEMPTS:
                invocation = read_invocation(plan / "invocation.json", rustflags(environ))
                if invocation is not None and invocation.is_fresh():
                    found += 1
                    yield invocation


def _manifest(crate: Path) -> tuple[str, str, tuple[str, ...]]:
    """Return a package's manifest, its lock file, and the sources of the support crate that it depends on."""
    text = (crate / "Cargo.toml").read_text(encoding="utf-8")
    found = _SUPPORT.search(text)
    sources = sorted((crate / json.loads(found[0]) / "src").rglob("*.rs")) if found is not None else []
    support = tuple(source.read_text(encoding="utf-8") for source in sources)
    return _SUPPORT.sub('"support"', text), (crate / "Cargo.lock").read_text(encoding="utf-8"), support
