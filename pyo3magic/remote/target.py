"""What a target is, the values that go to and from it, and its errors.

A target says which interpreters it has (`Target.probe`), takes artifacts built for them (`Target.ship`), imports them
and binds their names (`Target.load`), and evaluates code (`Target.evaluate`). A new kind of target is one new module.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyo3magic.errors import PyO3MagicError

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.interpreter import Interpreter
    from pyo3magic.session.panics import Source

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
    """Nothing answers at the address, or the address cannot be used."""


class TargetRefusedError(TargetError):
    """The target refuses access: a wrong key, token or user."""


class TargetTimeoutError(TargetError):
    """The target did not answer before the deadline; it is busy or hangs."""


class TargetDiedError(TargetError):
    """The target's process ended or was restarted in the middle of a request."""


class TargetReplyError(TargetError):
    """The target's answer is invalid, and was ignored."""


class TargetMismatchError(TargetError):
    """A module does not fit the target's interpreter, machine or libc."""


class TargetStorageError(TargetError):
    """The target could not store the module: its disk is full, or the data was damaged on the way."""


class TargetImportError(TargetError):
    """The module arrived, but the target's Python cannot import it."""


def plain_text(text: object, limit: int = 500) -> str:
    """Text from an untrusted source, made fit for a message: no control characters, at most ``limit`` characters."""
    clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text if isinstance(text, str) else repr(text)[:limit])
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time by which a whole operation, with all its round trips, must have ended.

    Attributes:
        seconds: the length of the whole operation, for messages.
        at: the end, by `time.monotonic`.
    """

    seconds: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline ``seconds`` from now."""
        return cls(seconds, time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self.at - time.monotonic())

    def before(self, share: float, most: float) -> Deadline:
        """An earlier deadline, which leaves a share of the whole, at most ``most`` seconds, to find out what failed."""
        return Deadline(self.seconds, self.at - min(self.seconds * share, most))


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file to be sent.

    Attributes:
        name: its name on the target.
        path: where it is here.
        sha256: digest of its content, 64 hexadecimal digits.
        size: bytes.

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
        """A file as it is on disk now."""
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return cls(name or path.name, path, digest.hexdigest(), file.tell())


@dataclass(frozen=True, slots=True)
class ShippedCell:
    """A cell that the module uses: a file in ``Shipment.beside`` that is a module too.

    Attributes:
        module: the name in its init function.
        file: digest of its file.
        name: the name to bind and import it by; empty to bind no name.
    """

    module: str
    file: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """An artifact to be sent: the module file, its interpreter, and what to do with it on arrival.

    Attributes:
        module: the name in the module's init function (``PyInit_<module>``).
        file: the module file.
        interpreter: the interpreter it was built for; a target with a different interpreter refuses it.
        beside: files that it needs in the same folder: runtime libraries, and cells that it uses.
        names: the names to bind in the target's namespace; empty for all that the module exports.
        alias: a name under which the module itself is bound and can be imported, or empty.
        reference: a module name for exactly this content, by which its functions and classes are pickled; or empty.
        cells: the cells in ``beside``, each after the cells that it uses.
        sources: what panics call the cell's files: file, name, and lines above line 1.

    Raises:
        ValueError: a name is not an ASCII identifier.
    """

    module: str
    file: ShippedFile
    interpreter: Interpreter
    beside: tuple[ShippedFile, ...] = ()
    names: tuple[str, ...] = ()
    alias: str = ""
    reference: str = ""
    cells: tuple[ShippedCell, ...] = ()
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        cells = [name for cell in self.cells for name in (cell.module, cell.name)]
        for name in (self.module, *self.names, *filter(None, [self.alias, self.reference, *cells])):
            if not (name.isidentifier() and name.isascii() and len(name) <= 200):  # noqa: PLR2004
                raise ValueError(f"not a plain name: {name!r}")

    @property
    def files(self) -> tuple[ShippedFile, ...]:
        """All files; the module's file is the last."""
        return (*self.beside, self.file)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the agent's ``load``."""
        return {
            "module": self.module,
            "file": self.file.sha256,
            "beside": [[file.name, file.sha256] for file in self.beside],
            "names": list(self.names),
            "alias": self.alias,
            "reference": self.reference,
            "cells": [[cell.module, cell.file, cell.name] for cell in self.cells],
            "sources": [list(source) for source in self.sources],
        }

    @property
    def wanted(self) -> frozenset[str]:
        """The names that must be bound on arrival."""
        return frozenset(filter(None, (*self.names, self.alias, *(cell.name for cell in self.cells))))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `Target.ship` sent; nothing if the target had every file.

    Attributes:
        sent: names of the files.
        sent_bytes: their size.
        by: how they were sent.
    """

    sent: tuple[str, ...] = ()
    sent_bytes: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """A row of ``%pyo3_connect``'s table: what a target is, and whether it answers."""

    kind: str
    address: str
    state: str
    interpreter: str = ""


class Target(Protocol):
    """A place to import modules. Every method ends before its deadline or raises a `TargetError`."""

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        """The target's interpreters, validated: one for a kernel, one for each platform of a cluster."""

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Send the missing files to every process whose interpreter is the shipment's."""

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Import the shipped module and bind its names, all or none; return the bound names."""

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Run code as a cell of its own; return its output."""

    def describe(self, deadline: Deadline) -> Description:
        """Describe the target and whether it answers now; never raises."""

    def close(self) -> None:
        """Close the connection; loaded modules stay. May be called twice."""
