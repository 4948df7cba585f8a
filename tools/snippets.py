"""The Rust examples in a Markdown file or in the doc comments of a Rust file, as rustdoc takes them.

Rules: rustdoc book, "Documentation tests": which fences are Rust, which are not compiled, and lines with ``#``.
"""

# ruff: noqa: INP001 - beside a script
from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Snippet", "snippets"]

_FENCE = re.compile(r"(\s*)(`{3,}|~{3,})(.*)")
_DOC = re.compile(r"\s*//[/!](?!/) ?(.*)")
_RUST_TAGS = frozenset({"", "rust", "no_run", "should_panic", "edition2018", "edition2021", "edition2024"})


@dataclass(frozen=True, slots=True)
class Snippet:
    """One example.

    Attributes:
        line: of its fence, from 1.
        text: its Rust, hidden lines included.
        visible: what a reader sees of it, and pastes.
        is_run: whether rustdoc runs it, or only compiles it.
        flags: the words after its fence.
    """

    line: int
    text: str
    visible: str
    is_run: bool
    flags: tuple[str, ...]


def snippets(text: str, *, rust: bool) -> Iterator[Snippet]:
    """Yield the examples that rustdoc would compile.

    Args:
        text: the file.
        rust: whether it is Rust, with examples in doc comments, or Markdown.
    """
    fence, start = "", 0
    flags: tuple[str, ...] = ()
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        content: str | None = line
        if rust:
            match = _DOC.fullmatch(line)
            content = match[1] if match else None
        if content is None:
            fence = ""
            continue
        mark = _FENCE.fullmatch(content)
        if not fence and mark:
            fence, start, lines = mark[2], number, []
            flags = tuple(word for word in re.split(r"[,\s]+", mark[3].strip().strip("{}")) if word)
            continue
        if fence and mark and mark[2].startswith(fence) and not mark[3].strip():
            fence = ""
            tags = set(flags) | ({"rust"} if rust else set())
            if tags and tags <= _RUST_TAGS | {f for f in tags if "=" in f}:
                yield Snippet(start, _shown(lines), _shown(lines, hidden=False), "no_run" not in flags, flags)
            continue
        if fence:
            lines.append(content)


def _shown(lines: list[str], *, hidden: bool = True) -> str:
    shown = []
    for line in textwrap.dedent("\n".join(lines)).split("\n"):
        bare = line.lstrip()
        if bare == "#" or bare.startswith("# "):
            shown += [line.replace("#", "", 1).replace(" ", "", 1)] if hidden else []
        elif bare.startswith("##"):
            shown.append(line.replace("##", "#", 1))
        else:
            shown.append(line)
    return "\n".join(shown) + "\n"
