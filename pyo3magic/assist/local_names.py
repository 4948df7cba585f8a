"""Local variables of a function up to the cursor, found by its words: half-written code has no syntax tree."""

from __future__ import annotations

import re

__all__ = ["local_names"]

_EVENT = re.compile(
    r"""
      (?P<brace>[{}])
    | \bfn\s+\w+[^({;]{0,200}(?P<parameters>\()
    | (?P<tested>\b(?:if|while)\s+let\b | \bfor\b(?!\s*<))
    | (?P<let>\blet\b)
    | (?<!\|)\|(?P<closure>[^|{};]{0,300})\|(?!\|)
    | (?P<arm>=>)
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"(?<![\w:.'])(?:r\#)?([^\W\dA-Z]\w*)(?!\w|\s*(?:::|\(|\{|!))")
_FIELD = re.compile(r"\w+\s*:(?!:)")
_COLON = re.compile(r"(?<!:):(?!:)")
_MADE = re.compile(r"=\s*&?(?:mut\s+)?((?:\w+::)*[A-Z]\w*)(?:::(?:<[^>]*>::)?\w+\s*[(?]|\s*\Z|\s*[({])")
_RECEIVER = re.compile(r"\s*(?:&\s*(?:'\w+\s+)?)?(?:mut\s+)?self\b")
_NO_NAMES = frozenset(("mut", "ref", "box", "in", "if", "let", "self", "true", "false", "_"))
_LONGEST = 300
_OPENING, _CLOSING = frozenset("([{<"), frozenset(")]}>")


def local_names(code: str) -> dict[str, str]:
    """Return the local variables in scope at the end of a piece of a function, and their types where written.

    Scopes are those of the braces; a closure's arguments and a match arm's names stay until the block ends, which
    suggests some names too many.

    Args:
        code: the source from the beginning of an item to the cursor, without comments and strings.
    """
    scopes: list[dict[str, str]] = [{}]
    pending: dict[str, str] = {}
    for event in _EVENT.finditer(code):
        if event["brace"] == "{":
            scopes.append(pending)
            pending = {}
        elif event["brace"] == "}":
            scopes = scopes[:-1] or [{}]
        elif event["parameters"]:
            pending = _parameters(_until(code, event.end(), ""))
        elif event["tested"]:
            is_loop = event["tested"].startswith("for")
            pattern = _until(code, event.end(), "{" if is_loop else "=")
            pending = {**pending, **_names(re.split(r"\bin\b", pattern)[0] if is_loop else pattern)}
        elif event["let"]:
            scopes[-1].update(_let(code, event.end()))
        elif event["closure"] is not None:
            scopes[-1].update(_parameters(event["closure"]))
        else:
            scopes[-1].update(_names(_arm(code[max(event.start() - _LONGEST, 0) : event.start()])))
    return {name: kind for scope in (*scopes, pending) for name, kind in scope.items()}


def _until(code: str, start: int, stops: str) -> str:
    """Return the code from an offset to a stop outside brackets, or to the bracket that closes what is around it."""
    depth = 0
    for at in range(start, min(start + _LONGEST, len(code))):
        character = code[at]
        if depth == 0 and character in stops:
            return code[start:at]
        if character in _CLOSING and code[at - 1] not in "-=":
            depth -= 1
            if depth < 0:
                return code[start:at]
        depth += character in _OPENING
    return code[start : start + _LONGEST]


def _arm(before: str) -> str:
    """Return the pattern at the end of a piece of a match, without its guard."""
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        character = before[at]
        depth += (character in ")]}") - (character in "([{")
        if depth < 0 or (depth == 0 and character in ",;"):
            return before[at + 1 :].partition(" if ")[0]
    return before.partition(" if ")[0]


def _parameters(text: str) -> dict[str, str]:
    """Return the arguments of a function or closure, ``self`` included."""
    found = {"self": "Self"} if _RECEIVER.match(text) else {}
    rest = text
    while rest:
        one = _until(rest, 0, ",")
        found.update(_typed(one))
        rest = rest[len(one) + 1 :]
    return found


def _let(code: str, start: int) -> dict[str, str]:
    pattern = _until(code, start, "=;")
    names = _typed(pattern)
    made = _MADE.match(code[start + len(pattern) : start + len(pattern) + _LONGEST])
    if made and len(names) == 1 and not any(names.values()):
        return dict.fromkeys(names, made[1])
    return names


def _typed(text: str) -> dict[str, str]:
    """Return the names of a pattern; the type after it belongs to the only one."""
    depth_zero = _until(text, 0, ":") if "{" in text or "(" in text else _COLON.split(text)[0]
    kind = text[len(depth_zero) + 1 :].strip()
    names = _names(depth_zero)
    return dict.fromkeys(names, kind) if len(names) == 1 and depth_zero.strip().split()[-1:] == list(names) else names


def _names(pattern: str) -> dict[str, str]:
    plain = _FIELD.sub("", pattern) if "{" in pattern else pattern
    return {name: "" for name in _NAME.findall(plain) if name not in _NO_NAMES}
