"""Registers completion and help with IPython and its kernel; what they need is imported at the first request.

Completion is a matcher of `IPython.core.completer` (API version 2). Help on a name in a ``%%rust`` cell replaces
``do_inspect`` on the kernel object, the method that ipykernel documents for kernels to override: IPython's own hooks
are given only the name that Python's tokenizer finds, and not the cell. Help on Python's side replaces
``inspector.info`` and adds to ``inspector.mime_hooks``, where IPython has them (8.13 and later).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .lazy import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.session import Session

    from .completion import Completer
    from .inspection import Inspection

__all__ = ["EditorHooks"]


class EditorHooks:
    """Completion and help in one shell.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session, or None if no cell has been run.
        store: returns the folder of the store.
        targets: returns the names of connected kernels.
        magics: the names of this package's magics.
    """

    def __init__(
        self,
        shell: Any,
        session: Callable[[], Session | None],
        *,
        store: Callable[[], str],
        targets: Callable[[], list[str]],
        magics: frozenset[str],
    ) -> None:
        self._shell = shell
        self._session = session
        self._store = store
        self._targets = targets
        self._magics = magics
        self._completer: Completer | None = None
        self._inspection: Inspection | None = None
        self._kernel: Any = getattr(shell, "kernel", None)
        self._matcher: Any = self._made_matcher()
        self._info = shell.inspector.info

    def attach(self) -> None:
        """Register everything; nothing is imported."""
        self._shell.Completer.custom_matchers.append(self._matcher)
        self._shell.inspector.info = self._informed
        if hasattr(self._shell.inspector, "mime_hooks"):
            self._shell.inspector.mime_hooks["text/markdown"] = self._markdown
        if hasattr(self._kernel, "do_inspect"):
            self._do_inspect = self._kernel.do_inspect
            self._kernel.do_inspect = self._inspected

    def detach(self) -> None:
        """Unregister everything."""
        self._shell.Completer.custom_matchers.remove(self._matcher)
        self._shell.inspector.info = self._info
        if hasattr(self._shell.inspector, "mime_hooks"):
            self._shell.inspector.mime_hooks.pop("text/markdown", None)
        if hasattr(self._kernel, "do_inspect"):
            self._kernel.do_inspect = self._do_inspect
        if self._inspection is not None:
            self._inspection.close()

    def _made_matcher(self) -> Any:
        def matcher(context: Any) -> Any:
            if not _may_be_ours(context.full_text):
                return {"completions": []}
            if self._completer is None:
                from .completion import Completer

                self._completer = Completer(self._shell, self._session, self._store, self._targets, self._magics)
            return self._completer.matches(context)

        # IPython's decorator `context_matcher` sets these; a high priority makes it the first matcher to be asked.
        vars(matcher).update(matcher_api_version=2, matcher_identifier="pyo3magic", matcher_priority=1000)
        return matcher

    def _with_inspection(self) -> Inspection:
        if self._inspection is None:
            from .inspection import Inspection

            self._inspection = Inspection(self._shell, self._session)
        return self._inspection

    def _inspected(self, code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        if _may_be_ours(code) and (found := self._with_inspection().of_cell(code, cursor_pos)):
            return found
        return self._do_inspect(code, cursor_pos, *args, **kwargs)

    def _informed(self, obj: object, *args: Any, **kwargs: Any) -> Any:
        obj = unwrapped(obj)
        found = self._info(obj, *args, **kwargs)
        session = self._session()
        if session is not None and session.outcomes:
            parent = getattr(kwargs.get("info"), "parent", None)
            self._with_inspection().add_rust(obj, parent, found, detailed=kwargs.get("detail_level", 0) > 0)
        return found

    def _markdown(self, data: Any, info: object = None) -> str | None:
        # Before IPython 8.22, a hook was given the object and what IPython found out about it.
        session = self._session()
        if session is None or not session.outcomes:
            return None
        item, level = getattr(data, "obj", data), getattr(data, "detail_level", 0)
        fields = getattr(data, "info_dict", {})
        call = fields.get("definition") or fields.get("init_definition") or ""
        parent = getattr(getattr(data, "info", info), "parent", None)
        return self._with_inspection().markdown(item, parent, call=call, detailed=level > 0)


def _may_be_ours(text: str) -> bool:
    return "%rust" in text or "%pyo3_" in text
