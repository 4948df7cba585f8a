import pytest

from pyo3magic.diagnostics import render_text

from .conftest import Compile, message, read, span


def test_noise_is_cut() -> None:
    rendered = (
        "error[E0277]: `S` cannot be converted\n"
        "   --> src/lib.rs:3:11\n    |\n  3 | fn f() -> S { S }\n    |           ^ unsatisfied\n    |\n"
        "    = help: the following other types implement trait `T`:\n              &str\n            and 2 others\n"
        "note: required by a bound in `pyo3::impl_::wrap::UnknownReturnType`\n"
        "   --> /home/someone/.cargo/registry/src/index-19/pyo3-0.30.1/src/impl_/wrap.rs:212:12\n    |\n"
        "210 |     pub fn wrap_into_ptr\n    |            ------------- here\n...\n212 |         T: I,\n    |            ^ here\n"
        "note: trait defined here\n"
        "   --> /home/someone/.cargo/registry/src/index-19/pyo3-0.30.1/src/conversion.rs:5:1\n"
        "   ::: /home/someone/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/lib.rs:7:1\n"
        "   ::: /rustc/59807616e/library/alloc/src/vec.rs:8:1\n"
        "    = note: this error originates in the attribute macro `pyfunction` (in Nightly builds, run with -Z)\n\n\n"
    )
    found = read(message("x", span(3, 11, 12), rendered=rendered))
    assert found.rendered == (
        "error[E0277]: `S` cannot be converted\n"
        "   --> src/lib.rs:3:11\n    |\n  3 | fn f() -> S { S }\n    |           ^ unsatisfied\n    |\n"
        "    = help: the following other types implement trait `T`:\n              &str\n            and 2 others\n"
        "note: trait defined here\n"
        "   --> pyo3-0.30.1/src/conversion.rs:5:1\n"
        "   ::: library/core/src/lib.rs:7:1\n"
        "   ::: library/alloc/src/vec.rs:8:1\n"
    )


@pytest.mark.cargo
def test_generated_row_of_a_window_is_cut(compiled: Compile) -> None:
    (found,) = compiled("pub mod __m {}", "pub fn f() {}\nmod __m {}\n")
    text = render_text([found], "In[3]")
    assert "pub mod" not in text
    assert "--> In[3]:3:1\n" in text
    assert text.endswith("= help: the other one is in the code that exports the cell's items to Python\n")


@pytest.mark.cargo
def test_generated_row_first_moves_the_location(compiled: Compile) -> None:
    (found,) = compiled("fn f() {} pub fn g() { let x: S = 1; }", "pub fn f() {}\npub struct S;\n")[:1]
    assert "--> In[3]:2:1\n" in render_text([found], "In[3]")


@pytest.mark.cargo
def test_macro_notes_are_dropped(compiled: Compile) -> None:
    found = compiled("", 'macro_rules! m { () => { let _x: u8 = "a"; } }\npub fn f() { m!(); }\n')
    assert "originates in" not in render_text(found, "In[3]")
    assert "in this macro invocation" in render_text(found, "In[3]")


def test_attribute_added_to_the_line_before_is_not_shown() -> None:
    rendered = "error: x\n --> src/lib.rs:2:1\n  |\n2 | pub struct S; #[::pyo3::pyfunction]// why\n  | ^^^\n"
    assert read(message("x", span(2, 1, 4), rendered=rendered)).rendered == rendered.replace(
        "#[::pyo3::pyfunction]", ""
    )
