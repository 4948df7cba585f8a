"""What a cell exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .corpus import SAMPLES

if TYPE_CHECKING:
    from .corpus import Sample
    from .kernel import Kernel

pytestmark = pytest.mark.cargo


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_exports(kernel: Kernel, sample: Sample) -> None:
    built = kernel.run(f"%%rust {sample.line}\n{sample.body}")
    assert built.text == ""  # no warning comes from generated code
    kernel.run(sample.proof)


def test_nothing_but_the_exports_lands_in_the_notebook(kernel: Kernel) -> None:
    kernel.run("before = set(globals())")
    kernel.rust(
        """
        #[pyfunction] fn only_this() {}
        #[pyclass] struct AndThis;
        fn helper() {}
        #[pyfunction] fn calls() { helper() }
        """
    )
    assert kernel.value("sorted(n for n in set(globals()) - before if not n.startswith('_') and n != 'before')") == [
        "AndThis",
        "calls",
        "only_this",
    ]


def test_a_pub_function_that_cannot_be_exported_is_named(kernel: Kernel) -> None:
    shown = kernel.rust("pub fn fits(x: i64) -> i64 { x }\npub fn generic<T>(x: T) -> T { x }")
    assert "`generic` is not exported" in shown.text
    assert kernel.value("fits(1), 'generic' in globals()") == (1, False)


def test_warnings_of_the_cell_itself_are_shown_at_its_line(kernel: Kernel) -> None:
    shown = kernel.rust("#[pyfunction]\nfn warned() {\n    let unused = 1;\n}")
    assert "unused variable: `unused`" in shown.text
    assert ":4:9" in shown.text
    assert shown.text.count("warning") == 1


def test_pain_8_items_are_found_by_syntax(kernel: Kernel) -> None:
    """rustimport and rustdef: `pub(crate) fn` not exported, attributes in comments and mods break the build."""
    kernel.rust(
        """
        /* #[pyfunction] fn commented() {} */
        mod inside { use pyo3::prelude::*; #[pyfunction] pub fn nested() -> i64 { 1 } }
        #[pyfunction] pub(crate) fn restricted() -> i64 { inside::nested() }
        """
    )
    assert kernel.value("restricted(), 'commented' in globals(), 'nested' in globals()") == (1, False, False)
    kernel.rust("#[pymodule] mod by_hand { #[pymodule_export] const HAND: i64 = 8; use pyo3::prelude::*; }")
    assert kernel.value("HAND") == 8
