"""Build existing Rust, a file (``--file``) or a cargo project (``--crate``), and save cells (``--write``).

``%%rust`` calls `bring`. `source_files` reads and writes files, `file_names` maps the compiler's messages to the lines
of a file, and `cargo_project` reads projects.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.cell import with_folder
from pyo3magic.errors import CellError, OptionError
from pyo3magic.user_paths import user_path

if TYPE_CHECKING:
    from pyo3magic.cell import Options

__all__ = ["Brought", "bring", "has_changed"]


@dataclass(frozen=True, slots=True)
class Brought:
    """The source to build: a cell, a file or a project.

    Attributes:
        options: the options, with the file or the project.
        body: the text to build; empty for a project.
        label: its name in messages.
        note: a note for the user, such as where the cell was saved.
    """

    options: Options
    body: str
    label: str
    note: str = ""


def bring(
    options: Options,
    body: str | None,
    *,
    label: str,
    file: str | None = None,
    crate: str | None = None,
    write: str | None = None,
    force: bool = False,
    written: dict[str, str] | None = None,
) -> Brought:
    """Determine what a ``%%rust`` line builds; with ``--write``, save the cell.

    Args:
        options: the line's other options.
        body: the text below the line; None for ``%rust`` on a line of its own.
        label: the cell's label.
        file: the path given with ``--file``.
        crate: the path given with ``--crate``.
        write: the path given with ``--write``.
        force: whether ``--write`` may replace a file with different content.
        written: digests of the files that this session has saved, by path (`source_files.write_source`).

    Raises:
        OptionError: the options contradict each other, or the cell cannot be saved.
        CellError: there is nothing to build, or the source cannot be read.
    """
    chosen = [name for name, given in (("--file", file), ("--crate", crate), ("--write", write)) if given is not None]
    if len(chosen) > 1:
        raise OptionError(f"{' and '.join(chosen)} cannot be combined.", advice="Give one of them.")
    text = body if body is not None and body.strip() else None
    if text is not None and (file is not None or crate is not None):
        raise OptionError(
            f"{chosen[0]} names what to build, but the cell has Rust of its own.",
            advice=f"Write %rust {chosen[0]} ... on a line of its own, or leave the option out.",
        )
    if file is not None:
        from .source_files import read_source, with_file

        source = read_source(file)
        if not source.text.strip():
            raise CellError(f"{file} is empty.", advice="Write some Rust in it.")
        return Brought(with_file(options, source), source.text, file)
    if crate is not None:
        return _project(options, crate)
    if body is None or (write is not None and text is None):
        raise CellError(
            "The cell is empty: %rust on a line of its own has no Rust to build.",
            advice="Begin the cell with %%rust and write Rust below it, or name a file (%rust --file PATH) or a cargo "
            "project (%rust --crate FOLDER).",
        )
    if write is None:
        return Brought(with_folder(options, body), body, label)
    from .source_files import write_cell

    options = with_folder(options, body)
    path, others = write_cell(write, options, body, overwrite=force, ours=written if written is not None else {})
    more = f", with {', '.join(others)}" if others else ""
    return Brought(options, body, label, f"saved as {path}{more}")


def has_changed(options: Options, body: str) -> bool:
    """Return whether the file that was built has different content now."""
    if options.file is None:
        return False
    from .source_files import read_source

    try:
        return read_source(options.file).text != body
    except CellError:
        return True


def _project(options: Options, crate: str) -> Brought:
    folder = Path(os.path.abspath(user_path(crate, "The path of --crate")))  # noqa: PTH100 - symbolic links stay as they are
    if folder.name in {"Cargo.toml", "pyproject.toml"} and folder.is_file():
        folder = folder.parent
    if not folder.is_dir():
        what = f"{crate} is a file, not a cargo project" if folder.exists() else f"There is no folder {crate}"
        raise CellError(
            f"{what}.",
            advice="Name the folder that has the Cargo.toml or pyproject.toml; %rust --file builds a single file.",
        )
    unfit = [
        name
        for name, given in (("-d", options.dependencies), ("--edition", options.edition), ("--pyo3", options.pyo3))
        if given
    ]
    if unfit:
        raise OptionError(
            f"{unfit[0]} cannot be given with --crate: the project's own Cargo.toml determines it.",
            advice="Change the Cargo.toml, or leave the option out.",
        )
    return Brought(dataclasses.replace(options, crate=str(folder)), "", crate)
