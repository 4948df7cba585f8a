"""What the compiler said about a cell, as values."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GENERATED_LINE", "PLACEHOLDER", "Diagnostic", "Edit", "Place", "Span", "Suggestion"]

PLACEHOLDER = "src/lib.rs"
"""The cell's file name in stored text; a cell's label (``In[3]``) is only known when it is shown."""
GENERATED_LINE = 1
"""The line of `src/lib.rs` that is not the cell's."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the file, as rustc counts: lines and columns from 1, columns in characters, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int
    is_primary: bool = False
    label: str | None = None
    in_cell: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where something the generated line mentions really stands: its position, width in characters and whole line."""

    line: int
    column: int
    width: int
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of a range, counted as in `Span`.

    Attributes:
        text: what the range contained when the compiler read it.
        replacement: what the compiler suggests instead.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change that the compiler calls machine-applicable: certainly meant, and valid Rust.

    Attributes:
        message: what the change is, as in ``remove this `mut```.
        edits: the parts of the change, from top to bottom, without overlaps.
    """

    message: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message of the compiler about the cell.

    `rendered` is rustc's text with escapes, with `PLACEHOLDER` for the cell's name. `echo` means that the message
    probably follows from another error, and need not be shown next to one.
    """

    level: str
    message: str
    code: str | None = None
    rendered: str = ""
    spans: tuple[Span, ...] = ()
    echo: bool = False
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether the cell does not compile because of this."""
        return self.level.startswith("error")

    @property
    def explanation_url(self) -> str | None:
        """Where the code is explained: rustc's error index or clippy's list of lints; None for rustc's lints."""
        if self.code is None:
            return None
        if re.fullmatch(r"E\d{4}", self.code):
            return f"https://doc.rust-lang.org/error_codes/{self.code}.html"
        if self.code.startswith("clippy::"):
            return f"https://rust-lang.github.io/rust-clippy/stable/index.html#{self.code.removeprefix('clippy::')}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, as plain JSON values."""
        plain = asdict(self)
        return {**plain, **{name: list(plain[name]) for name in ("spans", "suggestions")}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Diagnostic:
        """Return the diagnostic that `to_dict` wrote; unknown keys are ignored, missing ones have their defaults."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        names = {field.name for field in fields(Span)}
        spans = tuple(
            Span(**{name: value for name, value in span.items() if name in names})
            for span in known.get("spans") or ()
            if isinstance(span, dict) and {"line", "column", "end_line", "end_column"} <= span.keys()
        )
        suggestions = tuple(
            Suggestion(str(item["message"]), tuple(Edit(**edit) for edit in item["edits"]))
            for item in known.get("suggestions") or ()
        )
        return cls(**{"level": "error", "message": "", **known, "spans": spans, "suggestions": suggestions})
