"""Track the current version of each cell, and the cells that were built with a version that has been replaced."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.store import Artifact

    from .load import Module

__all__ = ["Versions"]

_EARLIER = " (before it was replaced by "


class Versions:
    """The cells of one kernel, each with the label of its last run, ``In[n]``."""

    def __init__(self) -> None:
        self._artifacts: dict[str, Artifact] = {}
        self._labels: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        self._names: dict[str, str | None] = {}
        self._exports: dict[str, str] = {}
        self._classes: dict[tuple[str | None, str], tuple[type, str]] = {}
        self._retired: dict[int, tuple[type, str, str]] = {}

    def add(self, module: Module, label: str, name: str | None) -> None:
        """Record that a cell was run and that its exports are now the current ones.

        Args:
            module: the cell's module.
            label: the cell's label, ``In[3]``.
            name: the name under which the module is bound, if it has one.
        """
        artifact = module.artifact
        digest = artifact.digest
        # A cell that is run again moves to the end.
        self._artifacts.pop(digest, None)
        self._artifacts[digest] = artifact
        self._labels[digest] = label
        self._names[digest] = name
        if name is not None:
            self._bound[name] = digest
        self._exports |= dict.fromkeys(module.names, digest)
        for exported, item in module.exports().items():
            if isinstance(item, type):
                # A named cell's class stays reachable under the cell's name even if another cell defines the same name.
                for place in {(name, exported), (None, exported)}:
                    self._replace(place, item, label)
                _rename(item, _plain(item))
                self._classes[name, exported] = (item, digest)
        self._tell()

    def label_of(self, digest: str) -> str | None:
        """Return the label of an artifact's cell, or None if the artifact is unknown."""
        return self._labels.get(digest)

    def uses(self) -> tuple[tuple[str, str], ...]:
        """Return, for each current cell that uses others, its title and the versions it was built with."""
        return tuple(
            (self._title(digest), self._describe(artifact))
            for digest, artifact in self._artifacts.items()
            if artifact.cells and self._is_current(digest)
        )

    def _replace(self, place: tuple[str | None, str], item: type, label: str) -> None:
        previous, digest = self._classes.pop(place, (item, ""))
        if previous is not item:
            self._retired[id(previous)] = (previous, digest, label)
        self._retired.pop(id(item), None)

    def _tell(self) -> None:
        """Mark replaced classes in their names, because PyO3's TypeErrors quote the name."""
        for item, digest, label in self._retired.values():
            users = " and ".join(self._labels[user] for user in self._users_of(digest))
            again = f"; run {users} again" if users else ""
            _rename(item, f"{_plain(item)}{_EARLIER}{label}{again})")

    def _users_of(self, digest: str) -> Iterator[str]:
        """Yield the current cells built with an artifact, directly or through another cell, used cells first."""
        return (user for user in self._artifacts if self._is_current(user) and digest in self._closure(user))

    def _closure(self, digest: str) -> set[str]:
        found: set[str] = set()
        todo = [digest]
        while todo:
            artifact = self._artifacts.get(todo.pop())
            new = set(artifact.cells.values()) - found if artifact is not None else set()
            found |= new
            todo += new
        return found

    def _is_current(self, digest: str) -> bool:
        name = self._names.get(digest)
        return self._bound.get(name) == digest if name is not None else digest in self._exports.values()

    def _title(self, digest: str) -> str:
        name = self._names[digest]
        return f"{name} ({self._labels[digest]})" if name else self._labels[digest]

    def _describe(self, artifact: Artifact) -> str:
        parts, again = [], []
        for name, digest in artifact.cells.items():
            now = self._bound.get(name)
            text = f"uses {name} of {self._labels.get(digest, 'an earlier kernel')}"
            if now is not None and now != digest:
                text += f", which {self._labels[now]} has replaced"
                again.append(self._labels[artifact.digest])
            elif stale := [self._labels[user] for user in self._outdated(digest)]:
                text += ", which uses a cell that has been replaced"
                again += [*stale, self._labels[artifact.digest]]
            parts.append(text)
        advice = f": run {' and then '.join(dict.fromkeys(again))} again" if again else ""
        return "; ".join(parts) + advice

    def _outdated(self, digest: str) -> Iterator[str]:
        """Yield those of a cell and the cells it uses that were built with a replaced version, used cells first."""
        for user in [*self._artifacts]:
            if user == digest or user in self._closure(digest):
                used = self._artifacts[user].cells.items()
                if any(self._bound.get(name, needed) != needed for name, needed in used):
                    yield user


def _plain(item: type) -> str:
    return item.__qualname__.split(_EARLIER, maxsplit=1)[0]


def _rename(item: type, name: str) -> None:
    if item.__qualname__ != name:
        with contextlib.suppress(AttributeError, TypeError):
            item.__qualname__ = name
