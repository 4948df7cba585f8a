"""``%pyo3_info`` reports on the machine, ``%pyo3_cache`` on the store. No logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

from .error_display import errors_without_traceback
from .magic_line import parse_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.session import Session
    from pyo3magic.settings import PyO3Magic

__all__ = ["UpkeepMagics"]


@magics_class
class UpkeepMagics(Magics):
    """The magics ``%pyo3_info`` and ``%pyo3_cache``.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session.
        settings: the settings.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], settings: PyO3Magic) -> None:
        super().__init__(shell)
        self._session = session
        self._settings = settings

    @magic_arguments("pyo3_info")
    @argument("--json", action="store_true", help="return the findings as data")
    @argument("--install", action="store_true", help="install Rust for this user, through rustup (asks the network)")
    @line_magic("pyo3_info")  # type: ignore[arg-type]
    def info(self, line: str) -> Any:
        """Say what would be used, what is missing, and how to get it."""
        from pathlib import Path

        from pyo3magic.errors import PyO3MagicError
        from pyo3magic.info import examine

        from .display import Shown

        arguments = parse_line(self.info, line)
        with errors_without_traceback():
            if arguments.install:
                from pyo3magic.environment.install_rust import install_toolchain

                install_toolchain()
            try:
                cells = self._session().versions.uses()
            except PyO3MagicError:  # the store cannot be used: the report says so
                cells = ()
            report = examine(Path(self._settings.store), settings=self._settings.values(), cells=cells)
        return report.to_dict() if arguments.json else Shown(report.to_text())

    @magic_arguments("pyo3_cache")
    @argument("--prune", nargs="?", const="", metavar="SIZE", help="remove the least recently used down to SIZE")
    @argument("--clear", action="store_true", help="remove everything that no running kernel uses")
    @argument("--update", action="store_true", help="choose versions of dependencies anew at the next builds")
    @argument("--json", action="store_true", help="return the answer as data")
    @line_magic("pyo3_cache")  # type: ignore[arg-type]
    def cache(self, line: str) -> Any:
        """Show what the store holds; prune it or clear it."""
        from pyo3magic.settings import parse_size
        from pyo3magic.store.upkeep import tend

        from .display import Shown

        arguments = parse_line(self.cache, line)
        with errors_without_traceback():
            limit = None
            if arguments.prune is not None:
                limit = parse_size(arguments.prune or self._settings.size_limit)
            session = self._session()
            text, data = tend(
                session.store,
                clear_all=arguments.clear,
                update=arguments.update,
                limit=limit,
                own=session.folder,
            )
        return data if arguments.json else Shown(text)
