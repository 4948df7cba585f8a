"""Completion in ``%%rust`` cells and on the lines of this package's magics, in the place of Python's completers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from pyo3magic.assist.cell_parts import CellParts, declared_crates, rust_cell
from pyo3magic.assist.local_crates import local_crates, specs_beginning
from pyo3magic.assist.magic_options import MagicOption, complete_line, paths_beginning
from pyo3magic.assist.manifest_keys import complete_manifest
from pyo3magic.assist.outline import outline_of
from pyo3magic.assist.rust_completion import RustCompleter
from pyo3magic.cell import EDITIONS
from pyo3magic.environment.toolchain_search import cached_toolchain

from .known_cells import known_cells

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from pyo3magic.assist.suggestion import Suggestions
    from pyo3magic.session import Session

__all__ = ["Completer"]

_LINE = re.compile(r"\s*(?:[\w.,\[\] ]+=\s*)?%{1,2}(?P<name>\w+)(?P<rest>\s.*)?", re.DOTALL)
_PATHS = frozenset({"PATH", "FILE", "EXE", "CONNECTION_FILE|URL"})
_TESTED = re.compile(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*(?:async\s+)?fn\s+(\w+)")
_FEATURES = re.compile(r"^\[features\]\s*$(.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_KEY = re.compile(r"^([\w-]+)\s*=", re.MULTILINE)


class _Nothing(tuple[SimpleCompletion, ...]):
    # No completions, in the place of Python's: IPython asks the other matchers if a result has no items.

    __slots__ = ()

    def __len__(self) -> int:
        return 1


class Completer:
    """Completes cells for IPython.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session, or None.
        store: returns the folder of the store.
        targets: returns the names of connected kernels.
        magics: the names of this package's magics.
    """

    def __init__(
        self,
        shell: Any,
        session: Callable[[], Session | None],
        store: Callable[[], str],
        targets: Callable[[], list[str]],
        magics: frozenset[str],
    ) -> None:
        self._shell = shell
        self._session = session
        self._store = store
        self._targets = targets
        self._magics = magics
        self._rust = RustCompleter()
        self._options: dict[str, tuple[MagicOption, ...]] = {}

    def matches(self, context: Any) -> dict[str, Any]:
        """Return IPython's result for a completion context: suggestions alone, or nothing where Python completes."""
        lines = context.full_text.split("\n")[: context.cursor_line]
        offset = sum(len(line) + 1 for line in lines) + context.cursor_position
        found = self.suggest(context.full_text, offset)
        if found is None:
            return {"completions": []}
        items = tuple(SimpleCompletion(item.text, type=item.kind) for item in found.items)
        return {
            "completions": items or _Nothing(),
            "matched_fragment": found.fragment,
            "suppress": True,
            "ordered": True,
        }

    def suggest(self, text: str, offset: int) -> Suggestions | None:
        """Return what may stand at a cursor; None where Python's completers are right.

        Args:
            text: the whole cell.
            offset: the cursor's place in it, in characters.
        """
        parts = rust_cell(text)
        if parts is not None and offset > parts.line_end:
            return self._in_cell(parts, offset)
        line = _LINE.fullmatch(text[text.rfind("\n", 0, offset) + 1 : offset].lstrip("\ufeff"))
        if line is None or line["rest"] is None or line["name"] not in self._magics:
            return None
        options = self._declared(line["name"])
        if not options:
            return None

        def values(option: MagicOption, given: tuple[str, ...], beginning: str) -> Iterable[str]:
            return self._values(option, given, beginning, parts)

        return complete_line(line["rest"], options, values)

    def _in_cell(self, parts: CellParts, offset: int) -> Suggestions:
        if parts.toml_start >= 0 and offset < parts.rust_start:
            start = min(parts.toml_start, offset)
            return complete_manifest(parts.text[start:offset].lstrip("\n"), local_crates(os.environ))
        at = max(offset - parts.rust_start, 0)
        return self._rust.complete(parts.rust, at, known_cells(self._session()), declared_crates(parts))

    def _declared(self, name: str) -> tuple[MagicOption, ...]:
        """Return the options of a magic, from its parser's declarations."""
        if name not in self._options:
            magic = self._shell.find_line_magic(name) or self._shell.find_cell_magic(name)
            parser: argparse.ArgumentParser | None = getattr(magic, "parser", None)
            actions = parser._actions if parser is not None else []  # noqa: SLF001 - argparse has no public list
            self._options[name] = tuple(
                MagicOption(
                    tuple(action.option_strings),
                    action.dest,
                    action.metavar if isinstance(action.metavar, str) else "",
                    "1" if action.nargs is None else str(action.nargs),
                    repeats=isinstance(action.default, list),
                )
                for action in actions
            )
        return self._options[name]

    def _values(
        self, option: MagicOption, given: tuple[str, ...], beginning: str, parts: CellParts | None
    ) -> Iterable[str]:
        if option.metavar in _PATHS:
            return paths_beginning(beginning)
        if option.metavar == "DIR":
            return paths_beginning(beginning, folders_only=True)
        source = _SOURCES.get(option.name)
        return source(self, given, beginning, parts) if source is not None else ()

    def _crates(self, _given: tuple[str, ...], beginning: str, _parts: CellParts | None) -> Iterable[str]:
        return specs_beginning(beginning, local_crates(os.environ))

    def _pyo3_versions(self, *_: object) -> Iterable[str]:
        return local_crates(os.environ).get("pyo3", ())

    def _triples(self, *_: object) -> Iterable[str]:
        """Return the targets whose standard library the toolchain has; no process is started."""
        cache = Path(self._store()) / "toolchains"
        toolchain = cached_toolchain(directory=Path.cwd(), environ=os.environ, cache=cache)
        folder = toolchain.sysroot / "lib" / "rustlib" if toolchain is not None else None
        return sorted(path.parent.name for path in folder.glob("*/lib")) if folder is not None else ()

    def _modules(self, *_: object) -> Iterable[str]:
        session = self._session()
        return [cell.options.module for cell in session.made.values() if cell.options.module] if session else ()

    def _connected(self, *_: object) -> Iterable[str]:
        return [*self._targets(), "here"]

    def _kinds(self, given: tuple[str, ...], _beginning: str, parts: CellParts | None) -> Iterable[str]:
        from pyo3magic.programs.request import KINDS

        if not given:
            return KINDS
        return [item.name for item in outline_of(parts.rust) if item.kind == "function"] if parts is not None else ()

    @staticmethod
    def _tests(_given: tuple[str, ...], _beginning: str, parts: CellParts | None) -> Iterable[str]:
        return _TESTED.findall(parts.rust) if parts is not None else ()

    @staticmethod
    def _features(_given: tuple[str, ...], beginning: str, parts: CellParts | None) -> Iterable[str]:
        table = _FEATURES.search(parts.toml) if parts is not None else None
        before = beginning[: beginning.rfind(",") + 1]
        return [before + name for name in _KEY.findall(table[1])] if table is not None else ()

    @staticmethod
    def _backends(*_: object) -> Iterable[str]:
        from pyo3magic.export.project import BACKENDS

        return BACKENDS

    @staticmethod
    def _classifiers(*_: object) -> Iterable[str]:
        from trove_classifiers import sorted_classifiers

        return sorted_classifiers


_SOURCES: dict[str, Callable[..., Iterable[str]]] = {
    "dep": Completer._crates,  # noqa: SLF001 - its own
    "pyo3": Completer._pyo3_versions,  # noqa: SLF001
    "target": Completer._triples,  # noqa: SLF001
    "module": Completer._modules,  # noqa: SLF001
    "modules": Completer._modules,  # noqa: SLF001
    "on": Completer._connected,  # noqa: SLF001
    "emit": Completer._kinds,  # noqa: SLF001
    "test": lambda _self, *rest: Completer._tests(*rest),  # noqa: SLF001
    "features": lambda _self, *rest: Completer._features(*rest),  # noqa: SLF001
    "backend": lambda _self, *rest: Completer._backends(*rest),  # noqa: SLF001
    "classifier": lambda _self, *rest: Completer._classifiers(*rest),  # noqa: SLF001
    "edition": lambda *_: EDITIONS,
}
"""By the name of an option, what gives its values."""
