"""What else than a module is asked of a cell, from the options of its first line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    import argparse

__all__ = ["KINDS", "Request", "requested"]

KINDS = ("asm", "llvm-ir", "mir")
"""What ``--emit`` can show."""

_ALONE = {
    "python": "that is for the kernel's own Python",
    "target": "that is for this machine",
    "on": "that is for this kernel",
    "crate": "a project on disk has its own programs and tests, which cargo runs in its folder",
}
"""Options that choose what a module is built from or for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to do with a cell instead of importing it.

    Attributes:
        action: which of the options was given.
        kind: what ``--emit`` is to show.
        function: the function it is to show; empty for all.
        filter: which tests to run, by a part of their names.
        doc: whether the examples in documentation are run too.
        arguments: what stands after ``--``.
        force: for ``--profile-build``: build all dependencies anew.
    """

    action: Literal["bin", "test", "emit", "timings"]
    kind: str = ""
    function: str = ""
    filter: str = ""
    doc: bool = False
    arguments: tuple[str, ...] = ()
    force: bool = False


def requested(parsed: argparse.Namespace, arguments: tuple[str, ...]) -> Request | None:
    """What a parsed line asks for; None for a module, as ever.

    Raises:
        OptionError: the options contradict each other.
    """
    options: dict[str, Any] = vars(parsed)
    given = {
        "--bin": options["bin"],
        "--test": options["test"] is not None,
        "--emit": options["emit"] is not None,
        "--profile-build": options["profile_build"],
    }
    chosen = [name for name, value in given.items() if value]
    if len(chosen) > 1:
        raise OptionError(
            f"{' and '.join(chosen)} cannot be combined.",
            advice="Give one of them, and run the cell again for the other.",
        )
    option = chosen[0] if chosen else ""
    if options["doc"] and option != "--test":
        raise OptionError("--doc says which tests to run.", advice="Write --test --doc.")
    if arguments and option not in {"--bin", "--test"}:
        raise OptionError(
            f"There is nothing to give the arguments after -- to: {shlex.join(arguments)}.",
            advice="They are for the program of --bin, or the test program of --test.",
        )
    for other, reason in _ALONE.items():
        if option and options.get(other):
            raise OptionError(f"--{other} cannot be combined with {option}: {reason}.", advice=f"Leave --{other} out.")
    if option == "--bin":
        return Request("bin", arguments=arguments)
    if option == "--test":
        return Request("test", filter=options["test"], doc=options["doc"], arguments=arguments)
    if option == "--emit":
        return _emission(options["emit"])
    return Request("timings", force=options["force"]) if option else None


def _emission(words: list[str]) -> Request:
    kind, *functions = words
    if kind not in KINDS:
        raise OptionError(f"--emit cannot show {kind!r}.", advice=f"It shows {', '.join(KINDS)}: --emit asm FUNCTION.")
    if len(functions) > 1:
        raise OptionError(
            f"--emit {kind} takes one function, not {len(functions)}: {' '.join(functions)}.",
            advice="Name one, or none for all of them.",
        )
    return Request("emit", kind=kind, function="".join(functions))
