"""Which suggestions of the compiler are taken, and what a cell looks like with them."""

from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.diagnostics import Diagnostic, Edit, Suggestion, applied, from_rustc

CELL = '%%rust\nfn f() {\n    let mut x = "é🦀"; (g(x));\n}\n'


def span(line: int, column: int, text: str, replacement: str | None, **changes: Any) -> dict[str, Any]:
    """A span of rustc's JSON on one line."""
    source = CELL.split("\n")[line - 1]
    assert source[column - 1 :].startswith(text)
    end = column + len(text)
    return {
        "file_name": "src/lib.rs",
        "line_start": line,
        "line_end": line,
        "column_start": column,
        "column_end": end,
        "text": [{"text": source, "highlight_start": column, "highlight_end": end}],
        "suggested_replacement": replacement,
        "suggestion_applicability": "MachineApplicable",
        "expansion": None,
        **changes,
    }


def diagnosed(*children: tuple[str, list[dict[str, Any]]]) -> Diagnostic:
    listed = [{"level": "help", "message": message, "spans": spans} for message, spans in children]
    found = from_rustc({"level": "warning", "message": "m", "spans": [], "children": listed})
    assert found
    return found


MUT = ("remove this `mut`", [span(3, 9, "mut ", "")])
PARENTHESES = ("remove these parentheses", [span(3, 28, ")", ""), span(3, 23, "(", "")])


def test_edits_have_the_text_that_they_replace() -> None:
    assert diagnosed(MUT, PARENTHESES).suggestions == (
        Suggestion("remove this `mut`", (Edit(3, 9, 3, 13, "mut ", ""),)),
        Suggestion("remove these parentheses", (Edit(3, 23, 3, 24, "(", ""), Edit(3, 28, 3, 29, ")", ""))),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"suggestion_applicability": "MaybeIncorrect"},
        {"suggestion_applicability": None},
        {"suggested_replacement": None},
        {"file_name": "/registry/src/lib.rs"},
        {"line_start": 1, "line_end": 1},
        {"expansion": {"macro_decl_name": "println!"}},
    ],
)
def test_what_needs_thought_or_is_elsewhere_is_left(changes: dict[str, Any]) -> None:
    assert diagnosed(("m", [span(3, 9, "mut ", "", **changes)])).suggestions == ()


def test_a_suggestion_that_is_uncertain_in_part_is_left() -> None:
    parts = [span(3, 9, "mut ", ""), span(3, 23, "(", "", suggestion_applicability="MaybeIncorrect")]
    assert diagnosed(("m", parts)).suggestions == ()


def test_alternatives_are_left_to_the_reader() -> None:
    assert diagnosed(("use one of", [span(3, 9, "mut ", "a"), span(3, 9, "mut ", "b")])).suggestions == ()


def test_they_survive_the_store() -> None:
    diagnostic = diagnosed(MUT, PARENTHESES)
    assert Diagnostic.from_dict(diagnostic.to_dict()) == diagnostic
    old = {name: value for name, value in diagnostic.to_dict().items() if name != "suggestions"}
    assert Diagnostic.from_dict(old).suggestions == ()


def test_all_are_applied_whatever_their_order() -> None:
    wanted = diagnosed(PARENTHESES, MUT).suggestions
    text, done = applied(CELL, wanted)
    assert text == '%%rust\nfn f() {\n    let x = "é🦀"; g(x);\n}\n'
    assert done == list(wanted)


def test_another_text_is_left_alone() -> None:
    wanted = diagnosed(MUT).suggestions
    for text in (CELL.replace("mut", "max"), "%%rust\n", "", CELL.replace("    let", "let")):
        assert applied(text, wanted) == (text, [])


def test_of_two_for_one_place_the_first_is_taken() -> None:
    first = Suggestion("first", (Edit(3, 9, 3, 13, "mut ", ""),))
    second = Suggestion("second", (Edit(3, 13, 3, 14, "x", "_x"),))
    text, done = applied(CELL, [first, second])
    assert done == [first]
    assert "let x" in text


def test_an_edit_may_span_lines_and_may_only_insert() -> None:
    wanted = [
        Suggestion("", (Edit(3, 29, 4, 2, ";\n}", "}"),)),
        Suggestion("", (Edit(2, 9, 2, 9, "", "-> u8 "),)),
    ]
    text, done = applied(CELL, wanted)
    assert (text, len(done)) == ('%%rust\nfn f() {-> u8 \n    let mut x = "é🦀"; (g(x))}\n', 2)
