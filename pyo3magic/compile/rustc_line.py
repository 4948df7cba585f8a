"""Record how cargo runs rustc for a cell's crate, so an edited cell can be compiled without cargo.

cargo takes about 30 ms to find that only the cell's source has changed. A recorded invocation belongs to one manifest,
lock file, interpreter, toolchain and environment, and is used only while every library that it links is unchanged. All
other builds go through cargo.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DOUBTFUL_CODES", "Invocation", "find_invocation", "read_invocation", "rustflags"]

DOUBTFUL_CODES = frozenset({"E0457", "E0460", "E0461", "E0462", "E0463", "E0464", "E0514", "E0519", "E0786"})
"""Errors about crates that rustc could not load. The recorded invocation may be stale, so cargo runs instead."""

_FLAGS = "\0RUSTFLAGS"
"""Stands for the arguments from the environment in a recorded invocation."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_RUNNING = re.compile(r"Running `(.*)`\s*$")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A rustc command line from cargo.

    Attributes:
        arguments: program and arguments.
        variables: the environment variables that cargo added.
        folder: the package's folder, in which cargo started rustc.
        libraries: path to (size, modification time in ns) of each library named with ``--extern``.
    """

    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    folder: str
    libraries: Mapping[str, tuple[int, int]]

    @property
    def output_folder(self) -> Path:
        """The folder into which cargo had the compiler write."""
        return Path(self.arguments[self.arguments.index("--out-dir") + 1])

    def is_fresh(self) -> bool:
        """Return whether each library it links is unchanged, and each file of options (``@path``) is present."""
        files = [Path(word[1:]) for word in self.arguments if word.startswith("@")]
        if not all(path.is_file() for path in files if path.is_absolute()):
            return False
        return bool(self.libraries) and self.libraries == _stamps(self.libraries)

    def elsewhere(self, folder: Path, output: Path) -> tuple[str, ...]:
        """Return the arguments that compile the same package in ``folder`` and write to ``output``."""
        arguments = list(self.arguments)
        arguments[arguments.index("--out-dir") + 1] = str(output)
        if any(argument.startswith("debuginfo=") and argument != "debuginfo=0" for argument in arguments):
            arguments += ["--remap-path-prefix", f"{folder}={self.folder}"]
        return tuple(arguments)

    def to_text(self, flags: tuple[str, ...] = ()) -> str:
        """Return the invocation as the JSON text that `read_invocation` reads.

        Args:
            flags: the arguments from the environment (`rustflags`). The text does not contain them, because they can
                hold a secret (``--cfg``).
        """
        arguments = list(self.arguments)
        starts = range(len(arguments) - len(flags) + 1 if flags else 0)
        for start in (at for at in reversed(starts) if tuple(arguments[at : at + len(flags)]) == flags):
            arguments[start : start + len(flags)] = [_FLAGS]
        return json.dumps({**asdict(self), "arguments": arguments})


def find_invocation(stderr: str, *, library: str, folder: Path) -> Invocation | None:
    """Find the rustc line in the output of ``cargo build -vv``.

    Args:
        stderr: cargo's output.
        library: name of the library's crate.
        folder: the package's folder.

    Returns:
        The invocation; None if the line is missing or cannot be parsed (on Windows, cargo prints it in another form).
        Every build then goes through cargo.
    """
    for line in reversed(stderr.splitlines()):
        match = _RUNNING.search(line)
        if match is None or f"--crate-name {library} " not in line:
            continue
        with contextlib.suppress(ValueError):
            return _parse(match[1], folder)
    return None


def rustflags(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arguments for rustc that cargo takes from the environment (cargo reference, ``build.rustflags``).

    Args:
        environ: the environment.
    """
    encoded = environ.get("CARGO_ENCODED_RUSTFLAGS")
    words = environ.get("RUSTFLAGS", "").split(" ") if encoded is None else encoded.split("\x1f")
    return tuple(filter(None, (word.strip() for word in words)))


def read_invocation(path: Path, flags: tuple[str, ...] = ()) -> Invocation | None:
    """Read a recorded invocation; return None if the file is missing or damaged.

    Args:
        path: the file.
        flags: the arguments from the environment, as for `Invocation.to_text`.
    """
    try:
        stored: dict[str, Any] = json.loads(path.read_bytes())
        return Invocation(
            tuple(word for found in stored["arguments"] for word in (flags if found == _FLAGS else (found,))),
            stored["variables"],
            stored["folder"],
            {name: (stamp[0], stamp[1]) for name, stamp in stored["libraries"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _parse(command: str, folder: Path) -> Invocation | None:
    words = shlex.split(command)
    count = next(i for i, word in enumerate(words) if not _ASSIGNMENT.match(word))
    variables = dict(word.split("=", 1) for word in words[:count])
    arguments = words[count:]
    if variables.get("CARGO_MANIFEST_DIR") != str(folder) or "--out-dir" not in arguments:
        return None
    externs = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--extern"]
    libraries = [path for _, equals, path in (extern.partition("=") for extern in externs) if equals]
    return Invocation(tuple(arguments), variables, str(folder), _stamps(dict.fromkeys(libraries, (0, 0))))


def _stamps(libraries: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    found = {}
    for path in libraries:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
