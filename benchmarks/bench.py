"""The place and the means that all measurements share."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.api import build

from .cells import rust_cell
from .floor import EqualCrate
from .kernels import running
from .peers import Unavailable, environment_python, notebook_peers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kernels import Kernel
    from .peers import Peer

__all__ = ["Bench", "magic_cell"]

_ROOT = Path(__file__).parents[1]


def magic_cell(edit: int) -> str:
    """A ``%%rust`` cell with the functions of `benchmarks.cells`."""
    return f"%%rust\n{rust_cell(edit)}"


@dataclass
class Bench:
    """Where a run works, and how long.

    Attributes:
        folder: the cache folder; stores, target folders and virtual environments are below it.
        rounds: how often fast things are measured; slow ones get a share of it.
        peers: whether other tools are measured too.
    """

    folder: Path
    rounds: int
    peers: bool = True
    _edits: Iterator[int] = field(default_factory=lambda: itertools.count(int.from_bytes(os.urandom(4), "big")))

    def next_edit(self) -> int:
        """A number that no cell has had, in this run or an earlier one."""
        return next(self._edits)

    @property
    def store(self) -> Path:
        """The warm store."""
        return self.folder / "store"

    def environment(self, store: Path | None = None, *, warm_up: bool = False) -> dict[str, str]:
        """The environment of kernels: this one, without what would change how cells are built or modules imported."""
        dropped = ("PYO3", "CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
        own = {
            "PYO3MAGIC_STORE": str(store or self.store),
            "PYO3MAGIC_WARM_UP": str(int(warm_up)),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "PYTHONPATH": path,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        return {**kept, **own}

    @cached_property
    def pyo3(self) -> str:
        """Version of pyo3 in the cells; the first use makes the store warm."""
        made = build(rust_cell(self.next_edit()), store=self.store)
        packages = (made.artifact.crate / "Cargo.lock").read_text(encoding="utf-8").split("[[package]]")
        own = next(text for text in packages if 'name = "pyo3"\n' in text)
        return own.split('version = "', 1)[1].split('"', 1)[0]

    @cached_property
    def crate(self) -> EqualCrate:
        """The equal crate, its dependencies compiled."""
        crate = self.equal_crate("crate")
        crate.cargo(self.next_edit())
        return crate

    def equal_crate(self, name: str) -> EqualCrate:
        """An equal crate in a folder of its own."""
        return EqualCrate(self.folder / name, pyo3=self.pyo3, python=sys.executable, environ=self.environment())

    @contextlib.contextmanager
    def kernel(self, environ: dict[str, str] | None = None, *, load: bool = True) -> Iterator[Kernel]:
        """A kernel of this Python, with the extension loaded."""
        with running(sys.executable, environ or self.environment(), self.folder / "notebooks") as kernel:
            if load:
                kernel.run("%load_ext pyo3magic")
            yield kernel

    @contextlib.contextmanager
    def peer_kernel(self, peer: Peer) -> Iterator[Kernel]:
        """A kernel of the peers' Python with a peer's extension loaded.

        Raises:
            Unavailable: it cannot be installed.
        """
        python = environment_python(self.folder / "peers", peer.requirements)
        with running(python, self.environment(), self.folder / "notebooks") as kernel:
            kernel.run(f"%load_ext {peer.extension}")
            yield kernel

    def all_peers(self) -> tuple[Peer, ...]:
        """The magics to measure beside ours."""
        return notebook_peers(self.pyo3) if self.peers else ()

    def fresh(self, name: str) -> Path:
        """A folder of that name that does not exist."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            raise Unavailable(f"{folder} cannot be removed")
        return folder
