"""Help: on names in a ``%%rust`` cell, and on what cells export to Python (``name?``, ``name??``, Shift-Tab)."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyo3magic.assist.cell_parts import rust_cell
from pyo3magic.assist.description import Description, describe_exported
from pyo3magic.assist.outline import LiveSource
from pyo3magic.assist.rust_help import Help, help_at

from .known_cells import known_cells, rust_of_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.session import Session

__all__ = ["Inspection"]

_MAGIC = re.compile(r"\s*(?:[\w.,\[\] ]+=\s*)?%{1,2}(rust\w*|pyo3_\w+)\s")
_OPTION = re.compile(r"--?[\w-]+")
_UNFOUND: dict[str, Any] = {"status": "ok", "found": False, "data": {}, "metadata": {}}


class _Rust(str):
    # Source in Rust, which IPython is about to colour.

    __slots__ = ()


class Inspection:
    """Answers IPython's and its kernel's questions about Rust.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session, or None.
    """

    def __init__(self, shell: Any, session: Callable[[], Session | None]) -> None:
        self._shell = shell
        self._session = session
        self._live = LiveSource()
        self._format = shell.inspector.format
        shell.inspector.format = self._coloured

    def close(self) -> None:
        """Give IPython its own colours back."""
        self._shell.inspector.format = self._format

    def of_cell(self, code: str, offset: int) -> dict[str, Any] | None:
        """Return the content of an ``inspect_reply`` for a cursor in Rust or in a magic's line; None for Python.

        Args:
            code: the whole cell.
            offset: the cursor's place in it, in characters.
        """
        parts = rust_cell(code)
        if parts is None or offset <= parts.line_end:
            return self._of_line(code, offset)
        found = None
        if offset >= parts.rust_start:
            cells = known_cells(self._session())
            found = help_at(parts.rust, offset - parts.rust_start, cells, self._live)
        if found is None:
            return {**_UNFOUND}
        data = {"text/plain": _text(found), "text/markdown": _markdown(found)}
        return {"status": "ok", "found": True, "data": data, "metadata": {}}

    def _of_line(self, code: str, offset: int) -> dict[str, Any] | None:
        """Return help on the option at the cursor in a magic's line; None elsewhere, where IPython helps."""
        start = code.rfind("\n", 0, offset) + 1
        magic = _MAGIC.match(code, start, offset)
        option = _OPTION.match(code, max(code.rfind(character, start, offset) for character in " \t") + 1)
        if magic is None or option is None:
            return None
        found = self._shell.find_line_magic(magic[1]) or self._shell.find_cell_magic(magic[1])
        parser = getattr(found, "parser", None)
        for action in parser._actions if parser is not None else ():  # noqa: SLF001 - argparse has no public list
            if option[0] in action.option_strings:
                names = ", ".join(action.option_strings) + (f" {action.metavar}" if action.metavar else "")
                data = {"text/plain": f"{names}\n\n{action.help}", "text/markdown": f"`{names}`\n\n{action.help}"}
                return {"status": "ok", "found": True, "data": data, "metadata": {}}
        return None

    def add_rust(self, item: object, parent: object, info: dict[str, Any], *, detailed: bool) -> None:
        """Add the Rust signature, or the Rust source, to what IPython knows about an object.

        Args:
            item: the object.
            parent: the object of which it is an attribute, or None.
            info: IPython's fields about it, which are changed.
            detailed: whether the source is asked for.
        """
        if (found := self._help(item, parent, detailed=detailed)) is None:
            return
        info["file"] = None
        info["source"] = _Rust(f"// {found.label}\n{found.description.source}") if detailed else None
        if not detailed and found.description.signature:
            info["docstring"] = "\n\n".join(filter(None, (found.description.signature, info["docstring"])))

    def markdown(self, item: object, parent: object, *, call: str, detailed: bool) -> str | None:
        """Return help on an object as Markdown; None if no cell has exported it.

        Args:
            item: the object.
            parent: the object of which it is an attribute, or None.
            call: its signature in Python, where it is known.
            detailed: whether the source is asked for.
        """
        found = self._help(item, parent, detailed=detailed)
        if found is None:
            return None
        if detailed:
            return f"*{found.label}*\n\n```rust\n{found.description.source}\n```"
        return _markdown(found, call)

    def _help(self, item: object, parent: object, *, detailed: bool) -> Help | None:
        if not _is_definition(item):
            if not detailed:
                return None  # IPython's own words about a value are better
            item = type(item)
        session = self._session()
        outcome = session.outcome_of(item) if session is not None else None
        owner = _class_of(item)
        if session is not None and outcome is None and callable(item) and isinstance(parent, type):
            # A static method does not know its class.
            outcome, owner = session.outcome_of(parent), parent.__name__
        if session is None or outcome is None or outcome.options.crate is not None:
            return None
        source, label = rust_of_outcome(outcome), session.label_of(outcome.artifact.digest)
        found = None
        signatures = ""
        if item is outcome.module.module:
            exported = (describe_exported(source, name) for name in outcome.module.names)
            signatures = "\n".join(each.signature for each in exported if each is not None)
        else:
            found = describe_exported(source, str(getattr(item, "__name__", "")), owner)
        if found is None:  # a module, or what a macro made: the whole cell
            docs = str(getattr(item, "__doc__", None) or "")
            return Help(Description(signatures, docs, source.strip("\n"), 1), label)
        return Help(found, f"{label}, line {found.line + 1}")

    def _coloured(self, raw: str, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(raw, _Rust):
            return self._format(raw, *args, **kwargs)
        if str(self._shell.colors).lower() == "nocolor":
            return str(raw)
        from pygments import highlight
        from pygments.formatters import TerminalFormatter
        from pygments.lexers import RustLexer

        return highlight(str(raw), RustLexer(), TerminalFormatter())


def _is_definition(item: object) -> bool:
    return isinstance(item, (type, ModuleType)) or inspect.isroutine(item) or inspect.isdatadescriptor(item)


def _class_of(item: object) -> str:
    """Return the name of the class that a method or property belongs to; empty for functions and classes."""
    if isinstance(item, type):
        return ""
    owner = getattr(item, "__objclass__", None) or getattr(item, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return ""
    return str((owner if isinstance(owner, type) else type(owner)).__name__)


def _text(found: Help) -> str:
    return "\n\n".join(filter(None, (found.description.signature, found.description.docs, found.label)))


def _markdown(found: Help, call: str = "") -> str:
    signature = f"```rust\n{found.description.signature}\n```" if found.description.signature else ""
    python = f"```python\n{call}\n```" if call else ""
    label = f"*{found.label}*" if found.label else ""
    return "\n\n".join(filter(None, (python, signature, found.description.docs, label)))
