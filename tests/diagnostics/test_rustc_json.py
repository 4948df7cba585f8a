import pytest

from pyo3magic.diagnostics import Place, Span, from_rustc, ordered, render_text

from .conftest import Compile, message, read, span


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("error", "aborting due to 2 previous errors; 1 warning emitted"),
        ("error", "aborting due to 1 previous error"),
        ("warning", "1 warning emitted"),
        ("warning", "2 warnings emitted"),
        ("failure-note", "Some errors have detailed explanations: E0034, E0252."),
        ("failure-note", "For more information about this error, try `rustc --explain E0277`."),
        ("error", "could not compile `cell` (lib) due to 1 previous error"),
    ],
)
def test_summaries_say_nothing(level: str, text: str) -> None:
    assert from_rustc(message(text, level=level, code=None)) is None


def test_fields() -> None:
    found = read(
        message(
            "moved", span(4, 13, 14, label="used here"), span(3, 6, 7, primary=False), span(9, 1, 2, file="src/x.rs")
        )
    )
    assert (found.level, found.code, found.message, found.is_error) == ("error", "E0382", "moved", True)
    assert found.spans == (
        Span(4, 13, 4, 14, is_primary=True, label="used here"),
        Span(3, 6, 3, 7),
        Span(9, 1, 9, 2, is_primary=True, in_cell=False),
    )


def test_span_of_a_macro_is_where_the_cell_calls_it() -> None:
    call = {"span": span(7, 5, 20, primary=False), "macro_decl_name": "println!", "def_site_span": None}
    found = read(message("x", span(99, 1, 2, file="std/macros.rs", label="why", expansion=call)))
    assert found.spans == (Span(7, 5, 7, 20, is_primary=True, label="why"),)


def test_another_root_file() -> None:
    found = read(
        message("x", span(2, 1, 2, file="src/main.rs"), rendered="error: x\n --> src/main.rs:2:1\n"),
        file_name="src/main.rs",
    )
    assert found.spans[0].in_cell
    assert found.rendered == "error: x\n --> src/lib.rs:2:1\n"


@pytest.mark.cargo
def test_error_in_the_cell(compiled: Compile) -> None:
    cell = "pub fn f(v: Vec<i32>) -> usize {\n    let w = v;\n    v.len()\n}\n"
    found = compiled("", cell)
    assert [(item.level, item.code) for item in found] == [("error", "E0382"), ("warning", "unused_variables")]
    assert next(item for item in found[0].spans if item.is_primary).line == 4
    text = render_text(found, "In[3]")
    assert text.startswith("error[E0382]: borrow of moved value: `v`\n --> In[3]:4:5\n  |\n2 | pub fn f(v: Vec<i32>)")
    assert "\n\nwarning: unused variable: `w`\n --> In[3]:3:9\n" in text
    assert "aborting" not in text
    assert text.endswith("\n")
    assert "\n\n\n" not in text


@pytest.mark.cargo
@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ("fn f() {\n    let x = 1;\n", "In[3]:3:16"),
        ('fn f() {\n    let x = "abc;\n}\n', "In[3]:3:13"),
        ("fn f() }\n", "In[3]:2:8"),
        ("fn f() { let x = 'é' + ; }\n", "In[3]:2:24"),
    ],
)
def test_syntax_errors_are_placed_in_the_cell(compiled: Compile, cell: str, place: str) -> None:
    assert f"--> {place}\n" in render_text(compiled("mod generated {}", cell), "In[3]")


@pytest.mark.cargo
def test_generated_line_is_shown_as_the_item_it_exports(compiled: Compile) -> None:
    generated = (
        "pub trait Py {} fn need<T: Py>(_: T) {} pub mod __m { use super::*; pub fn f(x: u8) { need(super::f(x)) } }"
    )
    cell = "\tpub fn f(_x: u8) -> S { S }\npub struct S;\n"
    place = Place(2, 9, 1, "\tpub fn f(_x: u8) -> S { S }")
    (found,) = compiled(generated, cell, exports={"f": place})
    assert found.spans[0].line == 2
    assert found.spans[0].in_cell
    text = render_text([found], "In[3]")
    assert "need(super" not in text
    assert text.startswith(
        "error[E0277]: the trait bound `S: Py` is not satisfied\n --> In[3]:2:9\n  |\n2 |     pub fn f("
    )
    assert "\n  |            ^ unsatisfied trait bound\n" in text
    assert "--> In[3]:3:1" in text
    assert text.endswith("= help: this is in the code that exports the cell's items to Python: `f`\n")


@pytest.mark.cargo
def test_generated_line_without_a_place(compiled: Compile) -> None:
    (found,) = compiled("mod __m { pub use super::g; }", "pub fn f() {}\n")
    assert not found.spans[0].in_cell
    assert render_text([found], "In[3]") == (
        "error[E0432]: unresolved import `super::g`\n"
        "  = help: this is in the code that exports the cell's items to Python: `g`\n"
    )


@pytest.mark.cargo
def test_warnings_about_the_generated_line_are_dropped(compiled: Compile) -> None:
    found = compiled("mod __m { use super::f; fn unused() {} }", "pub fn f() { let x = 1; }\n")
    assert [item.code for item in found] == ["unused_variables"]


@pytest.mark.cargo
def test_echo_of_an_error_in_the_cell(compiled: Compile) -> None:
    found = compiled("mod __m { pub use super::f; }", "#[cfg(windows)]\npub fn f() {}\n")
    assert found[0].echo
    assert ordered(found) == found
    found += compiled("", "fn g() -> Missing { 1 }\n")
    assert [item.code for item in ordered(found)] == ["E0425"]


@pytest.mark.cargo
def test_hoisted_attribute_is_shown_where_the_cell_has_it(compiled: Compile) -> None:
    attribute = "#![feature(nope)]"
    where = Place(7, 3, len(attribute), f"  {attribute} // why")
    found = compiled(f"{attribute} mod __m {{}}", "pub fn f() {}\n", exports={attribute: where})
    unknown = next(item for item in found if item.code == "E0635")
    assert render_text([unknown], "In[3]") == (
        f"error[E0635]: unknown feature `nope`\n --> In[3]:7:14\n  |\n7 |   {attribute} // why\n  |              ^^^^\n"
    )
    assert unknown.spans == (Span(7, 14, 7, 18, is_primary=True),)


def test_hoisted_attribute_of_several_lines_is_shown_where_it_begins(compiled: Compile) -> None:
    attribute = "#![warn(unused, no_such_lint)]"
    found = compiled(f"{attribute} mod __m {{}}", "pub fn f() {}\n", exports={attribute: Place(2, 1, 8, "#![warn(")})
    unknown = next(item for item in found if item.code == "unknown_lints")
    assert render_text([unknown], "In[3]").startswith(
        "warning: unknown lint: `no_such_lint`\n --> In[3]:2:1\n  |\n2 | #![warn(\n  | ^^^^^^^^\n"
    )


def test_pyo3_internals_are_echoes() -> None:
    inner = {"span": span(2, 1, 14), "macro_decl_name": "#[pyfunction]", "def_site_span": None}
    assert read(
        message("multiple applicable items", span(3, 1, 4, label="multiple `wrap_into_ptr` found"), code="E0034")
    ).echo
    assert read(message("the name `f` is defined multiple times", span(2, 1, 14, expansion=inner), code="E0428")).echo
    written = {**inner, "macro_decl_name": "#[::pyo3::pyfunction]"}
    assert read(message("the name `f` is defined multiple times", span(2, 1, 14, expansion=written), code="E0428")).echo
    assert not read(message("the name `f` is defined multiple times", span(3, 1, 4), code="E0428")).echo
    assert not read(message("`A` cannot be used", span(2, 1, 14, expansion=inner), code="E0277")).echo


def test_doubled_prelude_is_no_warning() -> None:
    found = message("unused import: `pyo3::prelude::*`", span(2, 5, 21), level="warning", code="unused_imports")
    assert from_rustc(found) is None
