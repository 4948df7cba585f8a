"""Symbols and addresses become functions and lines of a cell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.api import build
from pyo3magic.session.crash_lines import has_lines, same_code, source_lines
from pyo3magic.session.crash_symbols import Place, Symbols, readable

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.api import Build

SOURCE = """
#[pyfunction]
fn deep(n: u64) -> u64 {
    if n == u64::MAX { 0 } else { 1 + deep(n + 1) * 2 }
}
#[pyclass]
struct Point;
#[pymethods]
impl Point {
    #[inline(never)]
    fn same(&self) -> usize { std::ptr::from_ref(self) as usize }
}
#[pyclass]
struct Other;
#[pymethods]
impl Other {
    #[inline(never)]
    fn same(&self) -> usize { std::ptr::from_ref(self) as usize + 1 }
}
"""


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("", ()),
        ("malloc", ("malloc",)),
        ("_ZN4cell4deep17hb58fa0dc472b81a4E", ("cell", "deep")),
        ("__ZN4cell4deep17hb58fa0dc472b81a4E", ("cell", "deep")),
        (
            "_ZN50_$LT$cell..Point$u20$as$u20$core..clone..Clone$GT$5clone17h0123456789abcdefE",
            ("<cell::Point as core::clone::Clone>", "clone"),
        ),
        ("_ZN4cell4deep28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", ("cell", "deep", "{{closure}}")),
        ("_RNvCs4fqI2P2rA04_4cell4deep", ("cell", "deep")),
        ("_RNvMCs4fqI2P2rA04_4cellNtB2_5Point4dist", ("cell", "Point", "dist")),
    ],
)
def test_readable_symbols(symbol: str, parts: tuple[str, ...]) -> None:
    assert readable(symbol) == parts


@pytest.fixture(scope="module")
def built(store: Path) -> Build:
    """The cell above, optimised."""
    return build(SOURCE, store=store)


def addresses(file: Path, part: str) -> dict[str, int]:
    """The functions of a module whose symbol has a part, with their addresses."""
    from elftools.elf.elffile import ELFFile

    with file.open("rb") as opened:
        table: Any = ELFFile(opened).get_section_by_name(".symtab")
        found = [symbol for symbol in table.iter_symbols() if symbol["st_info"]["type"] == "STT_FUNC"]
    return {symbol.name: symbol["st_value"] for symbol in found if part in symbol.name}


@pytest.mark.cargo
@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_without_line_tables_a_function_has_its_first_line(built: Build) -> None:
    file, names = built.artifact.file, (("src/lib.rs", "In[3]", 0),)
    symbols = Symbols(file, built.artifact.crate, names)
    assert not has_lines(file)
    (address,) = (value for name, value in addresses(file, "cell4deep").items())
    assert symbols.places(address + 4, "", str(file)) == (Place("deep", "In[3]", 4, file.name),)
    found = {
        place.line
        for name, value in addresses(file, "4same").items()
        if "pymethod" not in name
        for place in symbols.places(value, "", str(file))
    }
    assert found == {12, 19}
    assert symbols.places(10**9, "exported", str(file)) == (Place("exported", "", 0, file.name),)
    above = Symbols(file, built.artifact.crate, (("src/lib.rs", "deep.rs", 1),))
    assert str(above.places(address, "", str(file))[0]) == "`deep`, deep.rs line 3"


@pytest.mark.cargo
@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_with_line_tables_each_address_has_its_line(built: Build, store: Path) -> None:
    debug = build(SOURCE, store=store, debug=True).artifact
    assert has_lines(debug.file)
    assert not same_code(debug.file, built.artifact.file)
    assert same_code(debug.file, debug.file)
    symbols = Symbols(debug.file, debug.crate, (("src/lib.rs", "In[3]", 0),))
    (address,) = addresses(debug.file, "cell4deep").values()
    seen = {symbols.places(address + offset, "", str(debug.file))[0].line for offset in range(0, 60, 4)}
    assert {4, 5} <= seen
    assert source_lines(debug.file, 1 << 40, "src/lib.rs") == ()
    assert source_lines(built.artifact.file, address, "src/lib.rs") == ()
    assert source_lines(debug.file, address, "src/other.rs") == ()


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    file = tmp_path / "m.so"
    for content in (b"", b"\x7fELF", json.dumps({}).encode()):
        file.write_bytes(content)
        assert not has_lines(file)
        symbols = Symbols(file, tmp_path, (("src/lib.rs", "In[1]", 0),))
        assert symbols.places(1, "other", str(file)) == (Place("other", "", 0, "m.so"),)
