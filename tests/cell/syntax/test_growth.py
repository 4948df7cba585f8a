"""The cost of reading a cell grows with its length, not with the square of it; broken text has an end, too."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import LONGEST, Options, parse_cell, with_folder
from pyo3magic.cell.syntax import Lines, analyse, tree
from pyo3magic.crate.companions import companions
from pyo3magic.crate.library_source import export_places, library_source
from pyo3magic.crate.named_files import RustSource, named_files
from pyo3magic.errors import CellError

if TYPE_CHECKING:
    from collections.abc import Callable

_FUNCTION = "pub fn f{i}(x: i64) -> i64 {{ x + {i} }}"
_CELLS: dict[str, str] = {
    "functions": _FUNCTION + "\n",
    "functions with docs": "/// One\n/// two\n" + _FUNCTION + "\n",
    "functions on one line": _FUNCTION + " /* é */ ",
    "pyfunctions": "#[pyfunction]\nfn f{i}(x: i64) -> i64 {{ x + {i} }}\n",
    "classes": "#[pyclass]\nstruct C{i} {{ x: i64 }}\n#[pymethods]\nimpl C{i} {{ fn a(&self) {{ b::c() }} }}\n",
    "constants": "#[pymodule_export]\nconst C{i}: i64 = 1;\n",
    "modules": "#[pymodule]\nmod m{i} {{}}\n",
    "imports": "use c{i}::{{a, b::d}};\n",
    "comments": "/* c */ ",
    "attributes": "#![allow(a{i})]\n",
    "attributes on one line": "#[cfg(a)] ",
    "tokens": "m! {{ a::b, mod x, 1 }}\n",
    "skipped functions": "pub struct S{i};\npub fn f{i}(s: S{i}) {{}}\npub fn g{i}<T>(t: T) {{}}\n",
    "nested modules": "mod m {{ ",
    "nested conditions": "fn f() {{ if mod {{ ",
    "nested braces": "{{",
    "sums": "1 + ",
    "hashes": "#[",
    "quotes": '"',
    "single quotes": "'",
    "slashes": "/",
    "backslashes": "\\",
    "semicolons": ";",
    "raw strings": "r#",
    "unfinished functions": "pub fn f(",
}


def _text(unit: str, count: int) -> str:
    if "{i}" in unit:
        return "".join(unit.format(i=i) for i in range(count))
    return unit.format() * count


def _read(text: str) -> None:
    """Everything between a cell's text and its written crate."""
    analyse.cache_clear()
    tree.parse.cache_clear()
    cell = parse_cell(with_folder(Options(), text), text)
    syntax = analyse(cell.source)
    library_source(cell.source, syntax, module=syntax.main_module or "m")
    export_places(cell.source, syntax)
    source = cell.source.encode()
    list(named_files(RustSource(Path("/x/cell"), source, Path("/x"), is_first=True), Path("/x")))


def _seconds(action: Callable[[], object]) -> float:
    """The least processor time of two runs."""
    times = []
    for _ in range(2):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("name", _CELLS)
def test_cost_grows_with_the_cell(name: str) -> None:
    unit = _CELLS[name]
    count = 20_000 // len(unit) + 100
    small, large = _text(unit, count), _text(unit, 6 * count)
    # A cost that grows with the square is 36 times as much; small texts take a few milliseconds that do not grow.
    assert _seconds(lambda: _read(large)) < 18 * max(_seconds(lambda: _read(small)), 0.005)


@pytest.mark.slow
def test_50_000_lines_are_read_exactly() -> None:
    count = 50_000
    text = _text(_CELLS["functions"], count)
    cell = parse_cell(Options(), text)
    syntax = analyse(cell.source)
    assert [export.name for export in syntax.exports] == [f"f{i}" for i in range(count)]
    written = library_source(cell.source, syntax, module="m")
    assert written.count("#[::pyo3::pyfunction]") == count
    assert re.sub(r"#\[::pyo3::pyfunction\]", "", written).split("\n", 1)[1] == text
    places = export_places(cell.source, syntax)
    assert (places["f49999"].line, places["f49999"].column) == (50_001, 8)
    assert places["f49999"].text == "pub fn f49999(x: i64) -> i64 { x + 49999 }"


def test_deep_code_is_read_without_recursion() -> None:
    for text in ("mod m { " * 20_000 + "use a::b; " + "}" * 20_000, "pub fn f() -> i64 { " + "(" * 50_000 + "1"):
        analyse(text)
    assert analyse("mod m { " * 5_000 + "use a::b; " + "}" * 5_000).crates == ("a",)
    assert companions(Path("/x/cell"), "mod m { " * 20_000 + "}" * 20_000).attached == ()


def test_a_cell_has_a_limit() -> None:
    with pytest.raises(CellError, match=r"The cell has 4.0 MB; a cell or file may have 4 MB") as caught:
        parse_cell(Options(), "é" * (LONGEST // 2) + "x")
    assert "%rust --crate" in caught.value.advice
    parse_cell(Options(), "x" * LONGEST)


def test_text_that_cannot_be_read_soon_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_SECONDS", 0.05)
    text = b"// first\n" + b'"' * 300_000
    with pytest.raises(CellError, match=r"Reading the cell as Rust was given up at line 3") as caught:
        tree.parse(text)
    assert "quotation mark" in caught.value.advice
    with pytest.raises(CellError, match=r"Reading x.rs as Rust was given up at line 2"):
        tree.parse(text, name="x.rs", lines_above=0)
    # The parser does not go on with the rest of that text.
    assert str(tree.parse(b"fn f() {}").root_node).startswith("(source_file (function_item")


def test_an_interrupt_ends_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted() -> float:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return 0.0

    text = b'"' * 300_001
    monkeypatch.setattr(time, "thread_time", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tree.parse(text)
    assert str(tree.parse(b"fn g() {}").root_node).startswith("(source_file (function_item")


def test_lines() -> None:
    text = "aé\r\n\nßb\n".encode()
    lines = Lines(text)
    for at in (i for i in range(len(text) + 1) if (text + b"x")[i] & 0xC0 != 0x80):
        begin = text.rfind(b"\n", 0, at) + 1
        assert lines.row(at) == text.count(b"\n", 0, at)
        assert lines.newline_before(at) == begin - 1
        assert lines.column(at) == len(text[begin:at].decode())
        assert lines.line(at) == text[begin:].decode().partition("\n")[0].rstrip("\r")
    assert [lines.column(at) for at in (8, 6, 9)] == [1, 0, 2], "in any order"
