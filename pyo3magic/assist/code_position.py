"""What stands before the cursor in Rust: a receiver, a path, an attribute, a ``use``, or the place of any name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["CodePosition", "code_position"]

Kind = Literal["name", "member", "path", "attribute", "attribute option", "use", "lifetime", "let", "nothing"]

_FRAGMENT = re.compile(r"(?:r#)?(?:[^\W\d]\w*)?\Z")
_ATTRIBUTE = re.compile(r"#!?\[([^\[\]]*)\Z")
_USE = re.compile(r"\buse\s+(?:::)?([^;#\[\]=()]*)\Z")
_NEW_NAME = re.compile(r"\b(?:fn|struct|enum|union|trait|mod|type|const|static|macro_rules!)\s+\Z")
_LET = re.compile(r"\blet\s+\Z")
_SEGMENTS = re.compile(r"((?:[^\W\d]\w*\s*::\s*)+)\Z")
_GENERIC = re.compile(r"<[^<>]*>\s*::\s*\Z")
_WORD = re.compile(r"[^\W\d]\w*\Z")
_NUMBER_BEFORE = re.compile(r"(?<![\w.])\d\w*(?:\.\w*)?\Z")
_LONGEST_CHAIN = 20
_LONGEST_CODE = 2000
_LITERAL = re.compile(r"\b([A-Z]\w*)\s*(?:::\s*<[^<>]*>\s*)?\{([^{};]*)\Z")
_FIELD = re.compile(r"\s*\w+\s*(?::|\Z)")
_BLOCK = re.compile(r"(?:->[^{};]*|\b(?:for|impl|struct|enum|union|trait|match|mod)\s+[^{};]*)\Z")


@dataclass(frozen=True, slots=True)
class CodePosition:
    """The cursor's place.

    Attributes:
        kind: what may stand there. ``nothing`` where a new name, a number or a value follows.
        fragment: the beginning of the name at the cursor.
        path: the segments before it, for a path or a ``use``; the attribute's name; or the receiver, in which a call is
            a name with ``()``.
        literal: the struct whose fields a name may be, inside ``Point { x: 1, ``; empty elsewhere.
    """

    kind: Kind
    fragment: str = ""
    path: tuple[str, ...] = ()
    literal: str = ""


def code_position(code: str) -> CodePosition:
    """Return the place at the end of a piece of Rust.

    Args:
        code: the source from the beginning of an item to the cursor, without comments and strings.
    """
    found = _FRAGMENT.search(code)
    fragment = found[0] if found else ""
    before = code[: len(code) - len(fragment)]
    if _NUMBER_BEFORE.search(before) or before.endswith(("r#", "#")):
        return CodePosition("nothing", fragment)
    if attribute := _ATTRIBUTE.search(before):
        return _in_attribute(attribute[1], fragment)
    if used := _USE.search(before):
        path = _use_path(used[1])
        return CodePosition("nothing" if path is None else "use", fragment, path or ())
    trimmed = before.rstrip()
    if trimmed.endswith(".") and not trimmed.endswith(".."):
        return CodePosition("member", fragment, _receiver(trimmed[:-1]))
    if trimmed.endswith("::"):
        path = _path(trimmed)
        return CodePosition("path" if path else "nothing", fragment, path)
    return _at_name(before, fragment)


def _at_name(before: str, fragment: str) -> CodePosition:
    if before.endswith("'"):
        return CodePosition("lifetime", fragment)
    if _NEW_NAME.search(before):
        return CodePosition("nothing", fragment)
    if _LET.search(before):
        return CodePosition("let", fragment)
    literal = _LITERAL.search(before)
    if literal is None or _BLOCK.search(before[: literal.start()]):
        return CodePosition("name", fragment)
    *fields, last = literal[2].split(",")
    is_field = not last.strip() and all(_FIELD.match(field) for field in fields[:1])
    return CodePosition("name", fragment, literal=literal[1] if is_field else "")


def _in_attribute(inside: str, fragment: str) -> CodePosition:
    depth, at = 0, len(inside)
    for index in range(len(inside) - 1, -1, -1):
        depth += (inside[index] == ")") - (inside[index] == "(")
        if depth < 0:
            at = index
            break
    if depth >= 0:
        return CodePosition("nothing" if inside.strip() else "attribute", fragment)
    name = _WORD.search(inside[:at].rstrip())
    last = inside[at + 1 :].rpartition(",")[2]
    if name is None or last.strip():
        return CodePosition("nothing", fragment)
    return CodePosition("attribute option", fragment, (name[0],))


def _use_path(text: str) -> tuple[str, ...] | None:
    """Return the segments before the cursor in a ``use``, those before open braces included."""
    path: list[str] = []
    for part in _open_parts(text):
        segments = [segment.strip() for segment in part.split("::")]
        if segments[-1] or not all(_WORD.fullmatch(segment) for segment in segments[:-1]):
            return None
        path += segments[:-1]
    return tuple(path)


def _open_parts(text: str) -> list[str]:
    """Return the beginning of the path in each brace that is open, ``a::`` and ``b::`` of ``a::{x, b::{y, ``."""
    parts = [""]
    for character in text:
        if character == "{":
            parts.append("")
        elif character == "}":
            if len(parts) > 1:
                parts.pop()
        elif character == ",":
            parts[-1] = ""
        else:
            parts[-1] += character
    return parts


def _path(trimmed: str) -> tuple[str, ...]:
    if generic := _GENERIC.search(trimmed):
        name = _WORD.search(trimmed[: generic.start()].rstrip().removesuffix("::").rstrip())
        return (name[0],) if name else ()
    found = _SEGMENTS.search(trimmed)
    return tuple(segment.strip() for segment in found[1].split("::")[:-1]) if found else ()


def _receiver(text: str) -> tuple[str, ...]:
    """Return the names that lead to the receiver of a member; empty if it is another expression."""
    names: list[str] = []
    text = text[-_LONGEST_CODE:]
    for _ in range(_LONGEST_CHAIN):
        text = text.rstrip().removesuffix("?").rstrip()
        call = ""
        if text.endswith(")"):
            depth, at = 0, len(text)
            for at in range(len(text) - 1, -1, -1):
                depth += (text[at] == ")") - (text[at] == "(")
                if depth == 0:
                    break
            if depth:
                return ()
            text, call = text[:at].rstrip(), "()"
        word = _WORD.search(text)
        if word is None:
            return ()
        names.insert(0, word[0] + call)
        text = text[: word.start()].rstrip()
        if not text.endswith(".") or text.endswith(".."):
            return (*(f"{segment}::" for segment in _path(text)), *names) if text.endswith("::") else tuple(names)
        text = text[:-1]
    return ()
