"""Local variables of a function up to the cursor, found by its words: half-written code has no syntax tree."""

from __future__ import annotations

import re

__all__ = ["local_names"]

_EVENT = re.compile(
    r"""
      (?P<open>\{) | (?P<close>\})
    | \bfn\s+\w+[^({;]*\((?P<parameters>[^{;]*)
    | \b(?:if|while)\s+let\s+(?P<tested>[^=]*)=
    | \blet\s+(?P<pattern>[^=;{}]*)(?=(?P<value>=[^;{]*)?)
    | \bfor\s+(?P<each>[^;{}]*?)\s+in\b
    | (?<!\|)\|(?P<closure>[^|{};]*)\|(?!\|)
    | (?P<arm>[^,;{}]{0,200})=>
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"(?<![\w:.'])(?:r\#)?([^\W\dA-Z]\w*)(?!\w|\s*(?:::|\(|\{|!))")
_TYPED = re.compile(r"(?<![\w:.'])([^\W\d]\w*)\s*:(?!:)\s*([^:](?:[^,<>()]|<(?:[^<>]|<[^<>]*>)*>|\([^()]*\))*)")
_MADE = re.compile(r"=\s*&?(?:mut\s+)?((?:\w+::)*[A-Z]\w*)(?:::(?:<[^>]*>::)?\w+\s*[(?]|\s*$|\s*\()")
_NO_NAMES = frozenset(
    ("mut", "ref", "box", "in", "if", "let", "self", "as", "dyn", "impl", "move", "static", "const")
) | {*("usize", "isize", "str", "bool", "char", "where", "for", "while", "match")}
_NUMBER = re.compile(r"[iuf]\d+")


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
        if event["open"]:
            scopes.append(pending)
            pending = {}
        elif event["close"]:
            if len(scopes) > 1:
                scopes.pop()
        elif event["parameters"] is not None:
            pending = _parameters(event["parameters"])
        elif tested := event["tested"] or event["each"]:
            pending = {**pending, **_names(tested)}
        elif event["pattern"] is not None:
            scopes[-1].update(_let(event["pattern"], event["value"] or ""))
        elif event["closure"] is not None:
            scopes[-1].update({**_names(_without_types(event["closure"])), **_typed(event["closure"])})
        elif event["arm"] is not None:
            scopes[-1].update(_names(event["arm"].partition(" if ")[0]))
    return {name: kind for scope in (*scopes, pending) for name, kind in scope.items()}


def _parameters(text: str) -> dict[str, str]:
    found = {"self": "Self"} if re.match(r"\s*(?:&\s*(?:'\w+\s+)?)?(?:mut\s+)?self\b", text) else {}
    return {**found, **_typed(text)}


def _let(pattern: str, value: str) -> dict[str, str]:
    if typed := _typed(pattern):
        return typed
    names = _names(pattern)
    made = _MADE.match(value)
    return dict.fromkeys(names, made[1]) if made and len(names) == 1 else names


def _typed(text: str) -> dict[str, str]:
    return {name: kind.strip() for name, kind in _TYPED.findall(text) if name not in _NO_NAMES}


def _names(pattern: str) -> dict[str, str]:
    return {
        name: ""
        for name in _NAME.findall(pattern)
        if name not in _NO_NAMES and name != "_" and not _NUMBER.fullmatch(name)
    }


def _without_types(text: str) -> str:
    return re.sub(r":[^,|]*", "", text)
