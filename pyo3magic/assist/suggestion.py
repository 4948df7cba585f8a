"""The answers of this room, and the cells that it is told about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KnownCell", "Suggestion", "Suggestions"]


@dataclass(frozen=True, slots=True)
class KnownCell:
    """A cell that the session has run.

    Attributes:
        name: the name given with ``-m``, under which other cells use it; None without one.
        label: its label, ``In[3]``.
        body: the text below its ``%%rust`` line.
    """

    name: str | None
    label: str
    body: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text to insert, and what it is: ``function``, ``struct``, ``field``, ``keyword``, ``option`` ..."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What may stand at the cursor.

    Attributes:
        fragment: the text before the cursor that a suggestion replaces.
        items: the suggestions, the nearest first; all begin with ``fragment``.
    """

    fragment: str
    items: tuple[Suggestion, ...] = ()

    @classmethod
    def matching(cls, fragment: str, *groups: tuple[str, tuple[str, ...] | list[str] | frozenset[str]]) -> Suggestions:
        """Return the texts that begin with a fragment, each once.

        Upper and lower case are equal, as in most editors.

        Args:
            fragment: the text before the cursor.
            groups: the kind and the texts of each group, the nearest group first.
        """
        found: dict[str, Suggestion] = {}
        lower = fragment.lower()
        for kind, texts in groups:
            for text in texts:
                if text.lower().startswith(lower):
                    found.setdefault(text, Suggestion(text, kind))
        return cls(fragment, tuple(found.values()))
