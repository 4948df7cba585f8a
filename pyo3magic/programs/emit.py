"""``%%rust --emit asm|llvm-ir|mir [FUNCTION]``: show the compiler's output for a cell's functions.

For assembly, the compiler also emits LLVM IR, which has each symbol's name in a comment, and line tables, which give a
function's place in the cell (rustc book, 'Codegen options').
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode
from pyo3magic.errors import CellError

from . import listings
from .compile_variants import compile_variant, make_subject
from .functions import functions_of, never_inlined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic

    from .compile_variants import Subject
    from .functions import Function
    from .listings import Listing
    from .task import Task

__all__ = ["Emission", "emit", "show"]

_NAMES_SHOWN = 20
# Functions that PyO3's macros generate; they are shown only when named.
_GENERATED = re.compile(r"__py|__pyo3|PYO3|pyo3::|PyInit_|_PYO3_DEF|impl_trampoline|pyo3magic")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of listing: its title, rustc's ``--emit`` value, the suffix of its files, and their reader."""

    title: str
    emit: str
    suffix: str
    read: Callable[[str, Mapping[str, str]], list[Listing]]


_KINDS: Mapping[str, _Kind] = {
    "asm": _Kind("assembly", "asm,llvm-ir", ".s", listings.read_assembly),
    "llvm-ir": _Kind("LLVM IR", "llvm-ir", ".ll", listings.read_llvm_ir),
    "mir": _Kind("MIR", "mir", ".mir", listings.read_mir),
}


@dataclass(frozen=True, slots=True)
class Emission:
    """The listings for ``--emit``.

    Attributes:
        title: the kind of listings.
        listings: the functions, in the cell's order.
        diagnostics: the compiler's warnings.
        names: the user's names for the files.
        note: a note about functions that are not shown.
    """

    title: str
    listings: tuple[Listing, ...]
    diagnostics: tuple[Diagnostic, ...]
    names: Names
    note: str = ""


def emit(task: Task, kind: str, function: str) -> Emission:
    """Compile a cell and find the listing of a function, or of all the cell's own functions.

    Args:
        task: the cell.
        kind: asm, llvm-ir or mir.
        function: a function's name, alone or with its path; empty for all.

    Raises:
        CellError: there is no such function, or the compiler has removed it.
        PyO3MagicError: the cell does not compile.
    """
    wanted = _KINDS[kind]
    subject = make_subject(task)
    files = {listings.SOURCE: encode(f"\n{subject.cell.source}")}
    files |= {name: data for name, data in subject.crate.attached().items() if name.endswith(".rs")}
    written = [function for file, data in files.items() for function in functions_of(data, file)]
    made = _compile(task, subject, wanted, written)
    if function:
        chosen, note = made.named(function), ""
        own_name = function.rpartition("::")[2]
        if not chosen and (kept := [item for item in written if item.name == own_name]):
            made = _compile(task, _keeping(subject, kept), wanted, written)
            chosen = made.named(function)
            note = f"`{function}` is inlined where it is called. Shown as compiled with #[inline(never)] above it."
        if not chosen:
            raise _missing(function, written, made, kind)
        return Emission(wanted.title, tuple(chosen), made.diagnostics, subject.names, note)
    shown = tuple(item for item in made.own if not _GENERATED.search(item.name))
    if not shown:
        raise CellError(
            "None of the cell's own functions are left: they were inlined into PyO3's wrappers, or are not used.",
            advice=f"Name a function, as in --emit {kind} NAME, or use --emit mir, which precedes most inlining.",
        )
    names = dict.fromkeys(item.name for item in written)
    missing = [name for name in names if not any(_is_named(item.name, name) for item in shown)]
    note = f"Inlined where they are called, or unused: {_listed(missing)}" if missing else ""
    return Emission(wanted.title, shown, made.diagnostics, subject.names, note)


@dataclass(frozen=True, slots=True)
class _Made:
    """The functions in a compilation's output: all functions, and the cell's own in the cell's order."""

    found: Sequence[Listing]
    own: Sequence[Listing]
    diagnostics: tuple[Diagnostic, ...]

    def named(self, function: str) -> list[Listing]:
        """Return the functions of a name: the cell's own, or else those of other crates, or else PyO3's wrappers."""
        return (
            [item for item in self.own if _is_named(item.name, function)]
            or [item for item in self.found if _is_named(item.name, function)]
            or [item for item in self.found if function == _wrapper(item.name)]
        )


def _compile(task: Task, subject: Subject, wanted: _Kind, written: Sequence[Function]) -> _Made:
    """Compile a cell and read what the compiler emitted."""
    more = ["-Cdebuginfo=line-tables-only", "-Csymbol-mangling-version=v0"]
    if wanted.suffix == ".s" and subject.context.toolchain.host.startswith(("x86_64", "i686")):
        more.append("-Cllvm-args=-x86-asm-syntax=intel")
    with task.context.store.workspace() as workspace:
        done = compile_variant(subject, workspace, emit=wanted.emit, more=more)
        texts = {
            suffix: [path.read_text(encoding="utf-8") for path in sorted((workspace / "out").glob(f"*{suffix}"))]
            for suffix in {wanted.suffix, ".ll"}
        }
    symbols = listings.symbol_names(texts[".ll"])
    made = (listing for text in texts[wanted.suffix] for listing in wanted.read(text, symbols))
    found = [listing.within(subject.crate.manifest.library, done.folder) for listing in made]
    if wanted.suffix == ".mir":
        found = [_placed(listing, written) for listing in found]
    order = list(dict.fromkeys([listings.SOURCE, *(item.file for item in written)]))
    own = sorted(
        (item for item in found if item.file in order and (item.file, item.line) != (listings.SOURCE, 1)),
        key=lambda item: (order.index(item.file), item.line),
    )
    return _Made(found, own, done.diagnostics)


def _keeping(subject: Subject, functions: Sequence[Function]) -> Subject:
    """Return the same cell with ``#[inline(never)]`` on some functions."""
    crate = subject.crate
    for function in functions:
        if function.file == listings.SOURCE:
            crate = replace(crate, source=never_inlined(crate.source.encode(), function).decode())
        else:
            attached = (
                replace(item, data=never_inlined(item.data, function)) if item.name == function.file else item
                for item in crate.companions.attached
            )
            crate = replace(crate, companions=replace(crate.companions, attached=tuple(attached)))
    return replace(subject, crate=crate)


def show(emission: Emission) -> tuple[str, str]:
    """Return the listings as text, and as HTML that can be folded."""
    names = emission.names
    is_open = " open" if len(emission.listings) == 1 else ""
    style = "white-space: pre; overflow-x: auto; max-height: 40em; line-height: 1.3"
    texts, parts = [], []
    for item in emission.listings:
        name, text, place = names.text(item.name), names.text(item.text), _place(item, names)
        lines = text.count("\n") + 1
        texts.append(f"{name} ({place})\n{text}")
        parts.append(
            f"<details{is_open}><summary><code>{html.escape(name)}</code> <small>{html.escape(place)}, "
            f"{emission.title}, {lines} line{'s'[: lines != 1]}</small></summary>"
            f'<pre style="{style}">{html.escape(text)}</pre></details>'
        )
    return "\n\n".join(texts), "".join(parts)


def _place(item: Listing, names: Names) -> str:
    if item.file in names.origins:
        return f"{names.origins[item.file]}:{item.line}"
    return f"{names.label}:{names.line(item.line)}" if item.file == listings.SOURCE else names.label


def _listed(names: Iterable[str]) -> str:
    first, *rest = list(dict.fromkeys(names)) or ["none"]
    return ", ".join([first, *rest[: _NAMES_SHOWN - 1]]) + (", …" if len(rest) >= _NAMES_SHOWN else "")


def _is_named(name: str, wanted: str) -> bool:
    """Return whether ``wanted`` is a function's name, or the end of its path (``norm``, ``Point::norm``)."""
    plain = re.sub(r"<([\w:]+)>(?=::)", r"\1", name)  # the compiler writes `<cell::Point>::norm`
    plain = re.sub(r"::<.*>$", "", plain)
    plain = re.sub(r"^<impl at [^>]*>::", f"{wanted.rpartition('::')[0]}::", plain)  # MIR lacks the type
    return wanted in {plain, name} or plain.endswith(f"::{wanted}")


def _wrapper(name: str) -> str:
    """Return PyO3's name of a wrapper, if a function is one or was inlined into one; otherwise empty."""
    if match := re.search(r"(\w+)::MakeDef>", name):
        return f"__pyfunction_{match[1]}"
    last = name.rpartition("::")[2]
    return last if last.startswith(("__pyfunction_", "__pymethod_")) else ""


def _placed(item: Listing, written: Sequence[Function]) -> Listing:
    """Add the line to a function of MIR, which has lines only for ``impl`` blocks; generated functions have none."""
    path = re.sub(r"::\{.*", "", item.name)
    own = path.rpartition("::")[2]
    if item.file:
        found = [place for place in written if (place.name, place.file) == (own, item.file) and place.line >= item.line]
    else:
        found = sorted((place for place in written if place.may_be(path)), key=lambda place: place.path != path)
    return replace(item, file=found[0].file, line=found[0].line) if found else replace(item, file="", line=0)


def _missing(function: str, written: Sequence[Function], made: _Made, kind: str) -> CellError:
    shown = (item.name for item in made.own if not _GENERATED.search(item.name))
    there = f"Functions that --emit {kind} can show: {_listed(shown)}."
    last = function.rpartition("::")[2]
    names = [item.name for item in made.found]
    if all(item.name != last for item in written):
        return CellError(f"The cell has no function `{function}`.", advice=there)
    wrapper = next(filter((f"__pyfunction_{last}", f"__pymethod_{last}__").__contains__, map(_wrapper, names)), "")
    where = f"\nThe wrapper that Python calls contains it: use --emit {kind} {wrapper}." if wrapper else ""
    return CellError(
        f"Nothing is left of `{function}`: nothing calls it, or it is generic and not used with any type.",
        advice=f"Make it `pub`, or call it.{where}\n{there}",
    )
