"""Read the options that ask for something other than a module: ``--bin``, ``--test``, ``--emit``, ..."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    import argparse

__all__ = ["KINDS", "Request", "requested"]

KINDS = ("asm", "llvm-ir", "mir")
"""The listings that ``--emit`` can show."""

_ALONE = {
    "python": "it works only with the kernel's own Python",
    "target": "it works only on this machine",
    "on": "it works only in this kernel",
    "crate": "a project has its own programs and tests, which cargo runs in the project's folder",
}
"""Options that choose the source or the target of a module, and why they cannot be combined with these options."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to do with a cell instead of importing it.

    Attributes:
        action: the option that was given.
        kind: the kind of listing for ``--emit``.
        function: the function to list; empty for all.
        filter: a part of the names of the tests to run; empty for all.
        doc: whether to run the examples in documentation too.
        arguments: the arguments after ``--``.
        force: whether ``--profile-build`` compiles all dependencies again.
    """

    action: Literal["bin", "test", "emit", "timings"]
    kind: str = ""
    function: str = ""
    filter: str = ""
    doc: bool = False
    arguments: tuple[str, ...] = ()
    force: bool = False


def requested(parsed: argparse.Namespace, arguments: tuple[str, ...]) -> Request | None:
    """Return the request on a parsed line; None for an ordinary module.

    Args:
        parsed: the line's options.
        arguments: the arguments after ``--``.

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
        raise OptionError("--doc needs --test.", advice="Write --test --doc.")
    if arguments and option not in {"--bin", "--test"}:
        raise OptionError(
            f"Arguments after -- ({shlex.join(arguments)}) need --bin or --test.",
            advice="They are passed to the program of --bin, or to the test program of --test.",
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
            advice="Name one function, or none to show all.",
        )
    return Request("emit", kind=kind, function="".join(functions))
