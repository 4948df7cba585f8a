"""Compiler messages as spans in the cell and as text, from real rustc runs wherever rustc matters."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyo3magic import diagnostics
from pyo3magic.diagnostics import Diagnostic, Hoisted, Place, Span, from_rustc, ordered, render_text, summary

Compile = Callable[..., list[Diagnostic]]
RED, BLUE, OFF = "\x1b[1m\x1b[91m", "\x1b[1m\x1b[94m", "\x1b[0m"


def span(
    line: int,
    column: int,
    end: int,
    *,
    primary: bool = True,
    file: str = "src/lib.rs",
    label: str | None = None,
    text: str = "",
    expansion: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "file_name": file,
        "line_start": line,
        "line_end": line,
        "column_start": column,
        "column_end": end,
        "is_primary": primary,
        "label": label,
        "text": [{"text": text, "highlight_start": column, "highlight_end": end}],
        "expansion": expansion,
    }


def message(
    text: str = "wrong",
    *spans: dict[str, Any],
    level: str = "error",
    code: str | None = "E0382",
    rendered: str | None = None,
) -> dict[str, Any]:
    head = f"{level}[{code}]" if code else level
    return {
        "level": level,
        "message": text,
        "code": {"code": code, "explanation": None} if code else None,
        "spans": list(spans),
        "children": [],
        "rendered": rendered if rendered is not None else f"{RED}{head}{OFF}: {text}\n",
    }


def read(obj: dict[str, Any], **options: Any) -> Diagnostic:
    found = from_rustc(obj, **options)
    assert found is not None
    return found


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


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("E0382", "https://doc.rust-lang.org/error_codes/E0382.html"),
        ("clippy::needless_return", "https://rust-lang.github.io/rust-clippy/stable/index.html#needless_return"),
        ("unused_variables", None),
        (None, None),
    ],
)
def test_explanation_url(code: str | None, url: str | None) -> None:
    assert Diagnostic("error", "x", code).explanation_url == url


def test_json_round_trip() -> None:
    found = Diagnostic(
        "warning", "unused", "unused_variables", "w\n", (Span(1, 2, 3, 4, is_primary=True, label="l"),), echo=True
    )
    assert Diagnostic.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, Diagnostic("error", "")),
        ({"level": "warning", "message": "m", "from_the_future": 1}, Diagnostic("warning", "m")),
        ({"message": "m", "spans": None}, Diagnostic("error", "m")),
        ({"message": "m", "spans": [{"line": 1}, "junk"]}, Diagnostic("error", "m")),
        (
            {"message": "m", "spans": [{"line": 1, "column": 2, "end_line": 1, "end_column": 3, "new": 0}]},
            Diagnostic("error", "m", spans=(Span(1, 2, 1, 3),)),
        ),
    ],
)
def test_from_dict_is_tolerant(data: dict[str, Any], expected: Diagnostic) -> None:
    assert Diagnostic.from_dict(data) == expected


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"  {BLUE}--> {OFF}src/lib.rs:5:9", "  --> In[3]:5:9"),
        (f"  {BLUE}::: {OFF}src/lib.rs:5:9", "  ::: In[3]:5:9"),
        ("note: the closure in src/lib.rs is here", "note: the closure in In[3] is here"),
        ("note: `src/lib.rs`", "note: `In[3]`"),
        ("  --> pyo3-0.30.1/src/lib.rs:5:9", "  --> pyo3-0.30.1/src/lib.rs:5:9"),
        ('5 |     include_str!("src/lib.rs")', '5 |     include_str!("src/lib.rs")'),
        ("  --> src/lib.rs/other.rs:1:1", "  --> src/lib.rs/other.rs:1:1"),
    ],
)
def test_label_stands_for_the_file_name(line: str, shown: str) -> None:
    assert render_text([Diagnostic("error", "x", rendered=f"error: x\n{line}\n")], "In[3]") == f"error: x\n{shown}\n"


@pytest.mark.parametrize("label", [r"In[\1]", r"C:\new", "<b>"])
def test_any_label(label: str) -> None:
    assert label in render_text([Diagnostic("error", "x", rendered="error: x\n --> src/lib.rs:2:1\n")], label)


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


def test_order_and_summary() -> None:
    first, second = Diagnostic("warning", "w1"), Diagnostic("error", "e1")
    third, echo = Diagnostic("error: internal compiler error", "e2"), Diagnostic("error", "follows", echo=True)
    assert ordered([first, echo, second, third, second]) == [second, third, first]
    assert ordered([first, echo]) == [echo, first]
    assert summary([first, echo, second, third]) == "2 errors, 1 warning: e1"
    assert summary([first, first]) == "1 warning: w1"
    assert summary([second]) == "1 error: e1"
    assert summary([]) == ""


def test_between_two_is_one_blank_line() -> None:
    both = [Diagnostic("error", str(n), rendered=f"error: {n}\n\n\n") for n in (1, 2)]
    assert render_text(both, "In[1]") == "error: 1\n\nerror: 2\n"
    assert render_text([], "In[1]") == ""


def test_hints_stand_under_their_diagnostic() -> None:
    both = [Diagnostic("error", str(n), rendered=f"error: {n}\n") for n in (1, 2)]
    text = render_text(both, "In[1]", hint=lambda item: "do this" if item.message == "1" else None)
    assert text == "error: 1\nhint: do this\n\nerror: 2\n"


def test_html_is_escaped_and_linked() -> None:
    found = read(
        message(
            "expected `Vec<i32>`, found `<script>`",
            span(2, 1, 2),
            rendered=f"{RED}error[E0308]{OFF}: <script>\n",
            code="E0308",
        )
    )
    page = diagnostics.render_html([found], "In[1]")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert '<a href="https://doc.rust-lang.org/error_codes/E0308.html"' in page
    assert re.fullmatch(r"<pre [^>]*>(?:<span style=\"[^\"]*\">|</span>|<a [^>]*>|</a>|[^<])*</pre>", page)


def test_terminal_links_only_when_asked() -> None:
    found = read(message("x", span(2, 1, 2), code="E0308"))
    assert "\x1b]8;;https://doc.rust-lang.org/error_codes/E0308.html\x1b\\E0308\x1b]8;;" in diagnostics.render_ansi(
        [found], "x", links=True
    )
    assert "]8;;" not in diagnostics.render_ansi([found], "x")


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Compile line 1 and a cell without PyO3, by rustc alone."""
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("rustc is not installed")

    def run(generated: str, cell: str, **options: Any) -> list[Diagnostic]:
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / "lib.rs").write_text(f"{generated}\n{cell}")
        command = [rustc, "--edition=2024", "--crate-type=lib", "--emit=metadata", "src/lib.rs"]
        command += ["--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        found = [from_rustc(json.loads(line), **options) for line in done.stderr.splitlines() if '"diagnostic"' in line]
        return [item for item in found if item is not None]

    return run


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
    found = compiled(f"{attribute} mod __m {{}}", "pub fn f() {}\n", hoisted=[Hoisted(1, where)])
    unknown = next(item for item in found if item.code == "E0635")
    assert render_text([unknown], "In[3]") == (
        f"error[E0635]: unknown feature `nope`\n --> In[3]:7:14\n  |\n7 |   {attribute} // why\n  |              ^^^^\n"
    )
    assert unknown.spans == (Span(7, 14, 7, 18, is_primary=True),)


@pytest.mark.cargo
def test_macro_notes_are_dropped(compiled: Compile) -> None:
    found = compiled("", 'macro_rules! m { () => { let _x: u8 = "a"; } }\npub fn f() { m!(); }\n')
    assert "originates in" not in render_text(found, "In[3]")
    assert "in this macro invocation" in render_text(found, "In[3]")


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


def test_attribute_added_to_the_line_before_is_not_shown() -> None:
    rendered = "error: x\n --> src/lib.rs:2:1\n  |\n2 | pub struct S; #[::pyo3::pyfunction]// why\n  | ^^^\n"
    assert read(message("x", span(2, 1, 4), rendered=rendered)).rendered == rendered.replace(
        "#[::pyo3::pyfunction]", ""
    )
