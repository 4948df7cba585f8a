import re

import pytest

from pyo3magic import diagnostics
from pyo3magic.diagnostics import Diagnostic, ordered, render_folded_html, render_text, summary

from .conftest import BLUE, OFF, RED, message, read, span


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


def test_many_messages_are_folded_with_their_number_on_top() -> None:
    found = [Diagnostic("error", str(n), rendered=f"error: {n}.\n") for n in range(7)]
    assert "<details>" not in render_folded_html(found, "In[1]")
    page = render_folded_html([*found, Diagnostic("warning", "w", rendered="warning: w\n")], "In[1]")
    assert page.startswith("<div>7 errors, 1 warning</div>")
    before, _, after = page.partition("<details><summary>2 more</summary>")
    assert "error: 5." in before
    assert "error: 6." not in before
    assert "error: 6." in after
    assert "warning: w" in after
