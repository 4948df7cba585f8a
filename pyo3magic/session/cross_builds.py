"""Build a session's cells for other machines and Pythons."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.cell import Options, parse_cell
from pyo3magic.errors import CellError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact, Store

__all__ = ["CrossBuilds", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A cell's options, text and settings, from which it can be built for another machine."""

    options: Options
    body: str
    edition: str
    pyo3: str


class CrossBuilds:
    """Builds cells for other machines or Pythons, together with the cells that they use.

    Args:
        store: the store for the artifacts.
        named: the cells that were run in this kernel, by name.
    """

    def __init__(self, store: Store, named: Mapping[str, Artifact]) -> None:
        self._store = store
        self._here = named
        self._there: dict[str, Artifact] = {}
        self._recipes: dict[str, Recipe] = {}
        self._builds: dict[tuple[str, str], Artifact] = {}

    def is_now_here(self, artifact: Artifact, recipe: Recipe) -> None:
        """Record a named cell that was run in this kernel; it replaces one that was only built for another machine."""
        self._recipes[artifact.digest] = recipe
        self._there.pop(recipe.options.module or "", None)

    def build(self, context: Context, options: Options, body: str, *, force: bool = False) -> Artifact:
        """Return a cell's artifact for the Python and machine in ``context``, from the store or newly built.

        Args:
            context: where and with what to build.
            options: the cell's options.
            body: the text below the ``%%rust`` line.
            force: build through cargo even if the store has the cell.

        Raises:
            PyO3MagicError: the build failed.
        """
        artifact = self._made(context, options, body, self._cells(context, options, body), force=force)
        if options.module is not None and options.crate is None:
            self._there[options.module] = artifact
            self._recipes[artifact.digest] = Recipe(options, body, context.edition, context.pyo3)
            self._builds[artifact.digest, _place(context)] = artifact
        return artifact

    def _made(
        self, context: Context, options: Options, body: str, cells: Mapping[str, Artifact], *, force: bool = False
    ) -> Artifact:
        key = context.key(options, body)
        digests = {name: cell.digest for name, cell in cells.items()}
        artifact = None if force else self._store.find(key, context.environ, digests)
        if artifact is None:
            from pyo3magic.compile.pipeline import make_artifact

            artifact = make_artifact(context, options, body, key=key, cells=cells, force=force)
        return artifact

    def _cells(self, context: Context, options: Options, body: str) -> Mapping[str, Artifact]:
        """Return the session's cells; if cells are linked, used cells are built for the same machine and Python."""
        from pyo3magic.cell.syntax import analyse
        from pyo3magic.compile.dylibs import is_supported

        # If a cell was last built for another machine, cells there use that version; this kernel keeps its own.
        cells = {**self._here, **self._there}
        if not cells or options.crate is not None or not is_supported(context):
            return cells
        try:
            used = analyse(parse_cell(options, body).source).crates
        except CellError:
            return cells  # the build will report the error
        return {
            name: self._variant(context, name, cell) if name in used and name != options.module else cell
            for name, cell in cells.items()
        }

    def _variant(self, context: Context, name: str, artifact: Artifact) -> Artifact:
        """Return the same version of a cell as ``artifact``, built for the machine and Python in ``context``."""
        known = self._builds.get((artifact.digest, _place(context)))
        if known is not None and (present := self._store.get(known.digest)) is not None:
            return present
        recipe = self._recipes.get(artifact.digest)
        if recipe is None:
            raise StoreError(
                f"The source of the cell {name!r} is no longer known.",
                advice=f"Run {name!r} again, and then this one.",
            )
        used = {
            other: self._variant(context, other, self._store.need(other, digest))
            for other, digest in artifact.cells.items()
        }
        its_own = dataclasses.replace(context, edition=recipe.edition, pyo3=recipe.pyo3)
        made = self._made(its_own, recipe.options, recipe.body, used)
        self._builds[artifact.digest, _place(context)] = made
        self._builds[made.digest, _place(context)] = made
        self._recipes.setdefault(made.digest, recipe)
        return made


def _place(context: Context) -> str:
    """Return a key that identifies the machine, Python and toolchain in ``context``."""
    return dataclasses.replace(context, edition="", pyo3="").key(Options(), "")
