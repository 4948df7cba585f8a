"""The values that go to and from a target, and the errors that it raises.

A target says which interpreters it has (`Target.probe`), takes artifacts built for them (`Target.ship`), imports them
and binds their names (`Target.load`), and evaluates code (`Target.evaluate`). A new kind of target is one new module.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyo3magic.errors import PyO3MagicError

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.interpreter import Interpreter

    from .evaluation import Evaluation

__all__ = [
    "Deadline",
    "Description",
    "Receipt",
    "Shipment",
    "ShippedCell",
    "ShippedFile",
    "Target",
    "TargetDiedError",
    "TargetError",
    "TargetImportError",
    "TargetMismatchError",
    "TargetRefusedError",
    "TargetReplyError",
    "TargetStorageError",
    "TargetTimeoutError",
    "TargetUnreachableError",
    "plain_text",
]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


class TargetError(PyO3MagicError):
    """A target cannot be reached or used."""


class TargetUnreachableError(TargetError):
    """Nothing answers at the address, or it cannot be asked."""


class TargetRefusedError(TargetError):
    """The target answers, but not to us: a wrong key, token or user."""


class TargetTimeoutError(TargetError):
    """The target did not answer before the deadline; it is busy or hangs."""


class TargetDiedError(TargetError):
    """The target's process ended or was restarted in the middle of a request."""


class TargetReplyError(TargetError):
    """The target's answer makes no sense; nothing of it was used."""


class TargetMismatchError(TargetError):
    """A module does not fit the target's interpreter, machine or libc."""


class TargetStorageError(TargetError):
    """The target could not store the module: its disk is full, or what arrived is not what was sent."""


class TargetImportError(TargetError):
    """The module arrived, but the target's Python cannot import it."""


def plain_text(text: object, limit: int = 500) -> str:
    """What an untrusted party said, fit for a message: no control characters, at most ``limit`` characters."""
    clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text if isinstance(text, str) else repr(text)[:limit])
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The one moment by which a whole operation, with all its round trips, must have ended."""

    seconds: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline so many seconds from now."""
        return cls(seconds, time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until then, never below zero."""
        return max(0.0, self.at - time.monotonic())

    def before(self, share: float, most: float) -> Deadline:
        """Earlier by a share of the whole, at most so many seconds: leaves time to find out what went wrong."""
        return Deadline(self.seconds, self.at - min(self.seconds * share, most))


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file to be sent: under which name, what it must contain.

    Raises:
        ValueError: the name or the digest is malformed.
    """

    name: str
    path: Path
    sha256: str
    size: int

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f"not a plain file name: {self.name!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"not a sha256 digest: {self.sha256!r}")

    @classmethod
    def of(cls, path: Path, name: str = "") -> ShippedFile:
        """The file as it is on disk now."""
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return cls(name or path.name, path, digest.hexdigest(), file.tell())


@dataclass(frozen=True, slots=True)
class ShippedCell:
    """A cell that the module uses: one of the files beside it, which is a module too.

    Attributes:
        module: name that its init function bears.
        file: digest of its file.
        name: under which it is bound and can be imported; empty where that is left as it is.
    """

    module: str
    file: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """An artifact on its way: the module file, the interpreter it was built for, and what to do with it on arrival.

    Attributes:
        module: name that the module's init function bears (``PyInit_<module>``).
        file: the module file.
        interpreter: the facts it was built for; a target whose facts are others does not take it.
        beside: files it needs in the same folder (runtime libraries, cells that it uses).
        names: what to bind from the module in the target's namespace.
        alias: a name under which the module itself is bound and can be imported, or empty.
        reference: a module name that stands for this content, by which what it exports is pickled; or empty.
        cells: those files beside it that are cells, each after the ones that it uses.

    Raises:
        ValueError: a name is no ASCII identifier.
    """

    module: str
    file: ShippedFile
    interpreter: Interpreter
    beside: tuple[ShippedFile, ...] = ()
    names: tuple[str, ...] = ()
    alias: str = ""
    reference: str = ""
    cells: tuple[ShippedCell, ...] = ()

    def __post_init__(self) -> None:
        cells = [name for cell in self.cells for name in (cell.module, cell.name)]
        for name in (self.module, *self.names, *filter(None, [self.alias, self.reference, *cells])):
            if not (name.isidentifier() and name.isascii() and len(name) <= 200):  # noqa: PLR2004
                raise ValueError(f"not a plain name: {name!r}")

    @property
    def files(self) -> tuple[ShippedFile, ...]:
        """All files, the module's last."""
        return (*self.beside, self.file)

    @property
    def wanted(self) -> frozenset[str]:
        """The names that are known to be bound on arrival."""
        return frozenset(filter(None, (*self.names, self.alias, *(cell.name for cell in self.cells))))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `Target.ship` sent: nothing, if the target had it all."""

    sent: tuple[str, ...] = ()
    sent_bytes: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What a target is and whether it answers, for a table."""

    kind: str
    address: str
    state: str
    interpreter: str = ""


class Target(Protocol):
    """Somewhere to import modules. Every method ends before its deadline, or raises a `TargetError`."""

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        """The distinct interpreters there, validated: one of a kernel, one per platform of a cluster."""

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Sends the files that are not there yet, to all whose interpreter is the shipment's."""

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Imports the shipped module and binds its names there; returns what was bound, all or nothing."""

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Runs code there as a cell of its own, and returns what it showed."""

    def describe(self, deadline: Deadline) -> Description:
        """What this is and whether it answers now; never raises."""

    def close(self) -> None:
        """Lets go of the connection; what was loaded there stays. May be called twice."""
