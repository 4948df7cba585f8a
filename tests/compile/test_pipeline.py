"""What is said of a cell that exports nothing."""

from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import analyse
from pyo3magic.compile.pipeline import export_notes


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("#[test]\nfn works() {}", "its tests are run by %%rust --test"),
        ("fn main() {}", "a program with `fn main` is run by %%rust --bin"),
        ("#[test]\nfn works() {}\nfn main() {}", "a program with `fn main` is run by %%rust --bin"),
        ("fn private() {}", "mark items with #[pyfunction] or #[pyclass]"),
    ],
)
def test_a_cell_that_exports_nothing_says_what_it_is_for(source: str, said: str) -> None:
    assert said in export_notes(analyse(source))[0]


def test_a_cell_that_exports_something_names_what_it_leaves_out() -> None:
    assert export_notes(analyse("pub fn f() {}")) == ()
    (note,) = export_notes(analyse("pub fn f() {}\npub fn g<T>(x: T) {}"))
    assert note.startswith("`g` is not exported: ")
