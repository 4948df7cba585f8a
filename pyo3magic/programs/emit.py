"""``%%rust --emit asm|llvm-ir|mir [FUNCTION]``: what the compiler made of a cell's functions.

The names are the compiler's own: beside assembly it is asked for LLVM IR, where it notes each symbol's name, and for
line tables, which tell a function's place in the cell (rustc book, 'Codegen options').
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyo3magic.errors import CellError
from pyo3magic.syntax import encode

from . import listings
from .output import labelled
from .variants import compile_variant, make_subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.cell import Options
    from pyo3magic.context import Context
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.store import Artifact

    from .listings import Listing

__all__ = ["Emission", "emit", "show"]

_NAMES_SHOWN = 20
_TITLES: Mapping[str, str] = {"asm": "assembly", "llvm-ir": "LLVM IR", "mir": "MIR"}
_FUNCTION = re.compile(rb"\bfn\s+(?:r#)?([A-Za-z_]\w*)")
# Functions that PyO3's macros make; they are shown when they are asked for.
_GENERATED = re.compile(r"__py|__pyo3|PYO3|pyo3::|PyInit_|_PYO3_DEF|impl_trampoline|pyo3magic")


@dataclass(frozen=True, slots=True)
class Emission:
    """What ``--emit`` shows.

    Attributes:
        kind: asm, llvm-ir or mir.
        listings: the functions, in the cell's order.
        diagnostics: the compiler's warnings.
        note: a remark on what is not shown.
    """

    kind: str
    listings: tuple[Listing, ...]
    diagnostics: tuple[Diagnostic, ...]
    note: str = ""


def emit(
    context: Context, options: Options, body: str, cells: Mapping[str, Artifact], kind: str, function: str
) -> Emission:
    """Compile a cell as its module would be and find what became of a function, or of all the cell's own.

    Args:
        context: where and with what to build.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        cells: the session's cells by name.
        kind: asm, llvm-ir or mir.
        function: a function's name, alone or with its path; empty for all.

    Raises:
        CellError: there is no such function, or nothing is left of it.
        PyO3MagicError: it does not compile.
    """
    subject = make_subject(context, options, body, cells)
    forms = {"asm": "asm,llvm-ir", "llvm-ir": "llvm-ir", "mir": "mir"}
    more = ["-Cdebuginfo=line-tables-only", "-Csymbol-mangling-version=v0"]
    if kind == "asm" and subject.context.toolchain.host.startswith(("x86_64", "i686")):
        more.append("-Cllvm-args=-x86-asm-syntax=intel")
    with context.store.workspace() as workspace:
        done = compile_variant(subject, workspace, emit=forms[kind], more=more)
        suffixes = {"asm": ".s", "llvm-ir": ".ll", "mir": ".mir"}
        texts = {
            suffix: [path.read_text(encoding="utf-8") for path in sorted((workspace / "out").glob(f"*{suffix}"))]
            for suffix in {suffixes[kind], ".ll"}
        }
    names = listings.symbol_names(texts[".ll"])
    read = {"asm": listings.read_assembly, "llvm-ir": listings.read_llvm_ir, "mir": listings.read_mir}[kind]
    found = [listing for text in texts[suffixes[kind]] for listing in read(text, names)]
    crate = subject.crate.manifest.library
    found = [listing.within(crate) for listing in found]
    if kind == "mir":
        found = [_placed(listing, body) for listing in found]
    own = sorted((item for item in found if item.line > 1), key=lambda item: item.line)
    if function:
        chosen = [item for item in own if _is_named(item.name, function)] or [
            item for item in found if _is_named(item.name, function)
        ]
        if not chosen:
            raise _missing(function, body, own, found, kind)
        return Emission(kind, tuple(chosen), done.diagnostics)
    shown = tuple(item for item in own if not _GENERATED.search(item.name))
    if not shown:
        raise CellError(
            "Nothing is left of the cell's own functions: they were compiled into PyO3's wrappers, or are not used.",
            advice="Write #[inline(never)] above a function to keep it, or use --emit mir, made before most inlining.",
        )
    missing = [name for name in _functions(body) if not any(_is_named(item.name, name) for item in shown)]
    note = f"Inlined where they are called, or unused: {', '.join(missing[:_NAMES_SHOWN])}" if missing else ""
    return Emission(kind, shown, done.diagnostics, note)


def show(emission: Emission, label: str) -> tuple[str, str]:
    """The listings as text, and folded as HTML."""
    emission = replace(emission, listings=tuple(_labelled(item, label) for item in emission.listings))
    text = "\n\n".join(f"{_heading(item, label)}\n{item.text}" for item in emission.listings)
    is_open = " open" if len(emission.listings) == 1 else ""
    style = "white-space: pre; overflow-x: auto; max-height: 40em; line-height: 1.3"
    parts = [
        f"<details{is_open}><summary><code>{html.escape(item.name)}</code> <small>{html.escape(_place(item, label))}, "
        f"{_TITLES[emission.kind]}, {item.text.count(chr(10)) + 1} lines</small></summary>"
        f'<pre style="{style}">{html.escape(item.text)}</pre></details>'
        for item in emission.listings
    ]
    return text, "".join(parts)


def _labelled(item: Listing, label: str) -> Listing:
    return replace(item, name=labelled(item.name, label), text=labelled(item.text, label))


def _heading(item: Listing, label: str) -> str:
    return f"{item.name} ({_place(item, label)})"


def _place(item: Listing, label: str) -> str:
    return f"{label}:{item.line}" if item.line else label


def _is_named(name: str, wanted: str) -> bool:
    """Whether ``wanted`` is a function's name, or the end of its path (``norm``, ``Point::norm``)."""
    plain = re.sub(r"<([\w:]+)>(?=::)", r"\1", name)  # `<cell::Point>::norm` is how the compiler writes it
    plain = re.sub(r"::<.*>$", "", plain)
    plain = re.sub(r"^<impl at [^>]*>::", f"{wanted.rpartition('::')[0]}::", plain)  # MIR does not tell the type
    return wanted in {plain, name} or plain.endswith(f"::{wanted}")


def _functions(body: str) -> list[str]:
    return list(dict.fromkeys(name.decode() for name in _FUNCTION.findall(encode(body))))


def _placed(item: Listing, body: str) -> Listing:
    """A function of MIR with its line, which MIR tells of ``impl`` blocks only; 0 for what macros made."""
    name = re.sub(r"::\{.*", "", item.name).rpartition("::")[2]
    lines = encode(body).splitlines()
    wanted = re.compile(rb"\bfn\s+(?:r#)?%s\b" % re.escape(name.encode()))
    first = max(item.line - 2, 0)
    line = next((number for number in range(first, len(lines)) if wanted.search(lines[number])), None)
    return replace(item, line=0 if line is None else line + 2)


def _missing(function: str, body: str, own: Sequence[Listing], found: Sequence[Listing], kind: str) -> CellError:
    names = [item.name for item in own if not _GENERATED.search(item.name)]
    there = f"Functions that --emit {kind} can show: {', '.join(dict.fromkeys(names[:_NAMES_SHOWN])) or 'none'}."
    last = function.rpartition("::")[2]
    if last not in _functions(body):
        return CellError(f"The cell has no function `{function}`.", advice=there)
    wrapper = next(
        (item.name for item in found if item.name.endswith((f"__pyfunction_{last}", f"__pymethod_{last}__"))), ""
    )
    where = f"\nIt is part of `{wrapper}`, which is what Python calls." if wrapper else ""
    return CellError(
        f"Nothing is left of `{function}`: it was inlined where it is called, or nothing calls it, or it is generic "
        "and used with no type.",
        advice=f"Write #[inline(never)] above `fn {last}` to keep it as a function of its own.{where}\n{there}",
    )
