"""Rust cells in a real JupyterLab and Notebook, as a person sees them and types in them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from .lab import TIMEOUT, Lab, cell, look, open_notebook, put, run, source, typed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.kernel, pytest.mark.cargo, pytest.mark.slow]

PYTHON = "def python():\n    # comment\n    return 'a'"
RUST = """%%rust -m geometry -d 'libm@0.2'
---
[dependencies]
itoa = "1"  # comment
---
/// The longer.
#[pyfunction]
fn longer<'a>(x: &'a str, y: &'a str) -> &'a str {
    if x.len() > y.len() { x } else { y }
}"""
FAILING = """%%rust
pub fn wrong(x: u32) -> u32 {
    let y = (x);
    let name = "é🦀"; takes(String::from(name));
    y
}
fn takes(_: &String) {}"""
LONG = "%%rust\n" + "".join(f"fn f{n}<'a>(x: &'a str) -> &'a str {{ x }}\n" for n in range(5000))
PANICKING = "%%rust\n#[pyfunction]\nfn third(values: Vec<u8>) -> u8 {\n    values[2]\n}"


@pytest.fixture(scope="module")
def language(lab: Lab, page: Page) -> None:
    """Cells 0 to 4: a Rust cell, a Python cell, an empty cell, a long cell, a cell to type in."""
    lab.notebook("language.ipynb", RUST, PYTHON, "", LONG, "%%rust\n")
    open_notebook(page, lab, "language.ipynb")


@pytest.fixture(scope="module")
def errors(lab: Lab, page: Page) -> None:
    """Cells 0 to 4: the extension, a failing cell, a panicking cell, its call, the magic that fixes."""
    lab.notebook("errors.ipynb", "%load_ext pyo3magic", FAILING, PANICKING, "third(b'ab')", "%rust_fix")
    open_notebook(page, lab, "errors.ipynb")
    run(page, 0)


@pytest.mark.usefixtures("language")
class TestLanguage:
    """The language at each position."""

    def test_each_part_has_the_colours_of_its_language(self, page: Page) -> None:
        keyword, comment, string = (look(page, 1, text) for text in ("def", "# comment", "'a'"))
        assert keyword[1]
        assert len({keyword, comment, string}) == 3
        for text in ("%%rust", "fn", "if"):
            assert look(page, 0, text) == keyword, text
        assert look(page, 0, "# comment") == look(page, 0, "/// The longer.") == comment
        assert look(page, 0, '"1"') == look(page, 0, "'libm@0.2'") == string
        assert look(page, 0, "'a")[0] not in {string[0], comment[0]}

    def test_typing_the_first_line_makes_a_cell_rust_and_deleting_it_makes_the_cell_python(self, page: Page) -> None:
        keyword = look(page, 1, "def")
        put(page, 2, 0, 0)
        typed(page, "%%rus")
        assert look(page, 2, "%%rust") != keyword
        typed(page, "t\nfn f() {\n")
        assert look(page, 2, "fn") == look(page, 2, "%%rust") == keyword
        assert source(page, 2) == "%%rust\nfn f() {\n    \n}"
        page.wait_for_timeout(1000)  # what was typed within half a second is undone together
        put(page, 2, 0, 6)
        page.keyboard.press("Backspace")
        assert look(page, 2, "fn") != keyword
        page.keyboard.press("Control+z")
        assert source(page, 2).startswith("%%rust\n")
        assert look(page, 2, "fn") == keyword
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(PYTHON)
        assert look(page, 2, "def") == keyword
        assert look(page, 2, "# comment") == look(page, 1, "# comment")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(RUST)
        assert look(page, 2, "fn") == keyword

    def test_comments_are_those_of_the_place(self, page: Page) -> None:
        for index, line, column, expected in [
            (0, 8, 0, "    // if x.len()"),
            (0, 3, 0, '# itoa = "1"'),
            (1, 2, 0, "    # return"),
        ]:
            put(page, index, line, column)
            page.keyboard.press("Control+/")
            assert source(page, index).split("\n")[line].startswith(expected)
            page.keyboard.press("Control+/")
        assert source(page, 0) == RUST
        assert source(page, 1) == PYTHON

    def test_a_lifetime_is_not_doubled_and_brackets_are_closed(self, page: Page) -> None:
        put(page, 4, 1, 0)
        typed(page, "fn f<'a>(x: &'a str) -> Vec<&'a str> {\nvec![x")
        assert source(page, 4) == "%%rust\nfn f<'a>(x: &'a str) -> Vec<&'a str> {\n    vec![x]\n}"
        put(page, 1, 2, 14)
        page.keyboard.press("Enter")
        page.keyboard.type("x = '")
        assert source(page, 1).split("\n")[3].strip() == "x = ''"

    def test_enter_and_tab_indent_as_rust(self, page: Page) -> None:
        put(page, 4, 2, 11)
        typed(page, "\nif x {\ny")
        assert source(page, 4).split("\n")[3:6] == ["    if x {", "        y", "    }"]
        put(page, 4, 4, 0)
        page.keyboard.press("Tab")
        assert source(page, 4).split("\n")[4] == "            y"
        page.keyboard.press("Control+[")
        assert source(page, 4).split("\n")[4] == "        y"

    def test_the_other_bracket_is_shown(self, page: Page) -> None:
        put(page, 0, 7, 49)
        marked = cell(page, 0).locator(".cm-matchingBracket")
        assert marked.all_inner_texts() == ["{", "}"]

    def test_functions_and_front_matter_fold(self, page: Page) -> None:
        rust = cell(page, 0)
        markers = rust.locator('.cm-foldGutter span[title="Fold line"]')
        assert markers.count() == 2
        for index, hidden in enumerate(("itoa", "x.len()")):
            markers.nth(index).click()
            rust.locator(".cm-foldPlaceholder").wait_for()
            assert hidden not in rust.locator(".cm-content").inner_text()
            rust.locator(".cm-foldPlaceholder").click()
            rust.locator(".cm-foldPlaceholder").wait_for(state="detached")

    def test_the_end_of_a_long_cell_is_rust_too(self, page: Page) -> None:
        put(page, 3, 5001, 0)
        page.evaluate(
            """() => {
                const { editor } = window.jupyterapp.shell.currentWidget.content.widgets[3];
                editor.revealPosition({ line: 5001, column: 0 });
            }"""
        )
        typed(page, "let z = 1; // end")
        for _ in range(100):  # the editor parses long texts bit by bit
            if look(page, 3, "// end") == look(page, 1, "# comment"):
                break
            page.wait_for_timeout(100)
        assert look(page, 3, "// end") == look(page, 1, "# comment")
        assert look(page, 3, "let") == look(page, 1, "def")


@pytest.mark.usefixtures("errors")
class TestErrors:
    """Compiler messages at their places."""

    @pytest.fixture(autouse=True)
    def built(self, page: Page, errors: None) -> None:
        """Each test begins with the failing cell as it was, and run."""
        page.evaluate(
            "text => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource(text)",
            FAILING,
        )
        assert "mismatched types" in run(page, 1)
        cell(page, 1).locator(".cm-lintRange-error").wait_for()

    def marked(self, page: Page) -> dict[str, list[str]]:
        kinds = ("error", "warning")
        return {kind: cell(page, 1).locator(f".cm-lintRange-{kind}").all_inner_texts() for kind in kinds}

    def test_the_span_is_underlined_and_marked_in_the_gutter(self, page: Page) -> None:
        assert self.marked(page) == {"error": ["String::from(name)"], "warning": ["(", ")"]}
        marks = cell(page, 1).locator(".cm-gutter-lint .cm-lint-marker")
        assert marks.count() == 2, "one for each line"
        shapes = marks.evaluate_all("nodes => nodes.map(node => getComputedStyle(node, '::before').content)")
        assert len(set(shapes)) == 2, "told apart by colour alone"
        assert cell(page, 0).locator(".cm-gutter-lint").count() == 0

    def test_the_message_shows_on_hover(self, page: Page) -> None:
        cell(page, 1).locator(".cm-lintRange-error").hover()
        tooltip = page.locator(".cm-tooltip-hover")
        tooltip.wait_for()
        assert "mismatched types" in tooltip.inner_text()
        assert "expected `&String`, found `String`" in tooltip.inner_text()
        page.mouse.move(0, 0)
        tooltip.wait_for(state="detached")

    def test_f8_goes_round_and_shows_the_message(self, page: Page) -> None:
        put(page, 1, 0, 0)
        seen = []
        for _ in range(4):
            page.keyboard.press("F8")
            tooltip = page.locator(".cm-tooltip.cm-tooltip-lint, .cm-tooltip .cm-tooltip-lint").first
            tooltip.wait_for()
            seen.append((page.evaluate("getSelection().toString()"), "mismatched" in tooltip.inner_text()))
        assert seen == [("(", False), (")", False), ("String::from(name)", True), ("(", False)]
        page.keyboard.press("ArrowLeft")
        assert page.locator(".cm-tooltip-lint").count() == 0

    def test_a_mark_goes_when_its_text_changes_and_others_stay(self, page: Page) -> None:
        put(page, 1, 1, 0)
        typed(page, "// a comment\n")
        assert self.marked(page) == {"error": ["String::from(name)"], "warning": ["(", ")"]}
        put(page, 1, 4, 32)
        page.keyboard.type("x")
        assert self.marked(page) == {"error": [], "warning": ["(", ")"]}

    def test_a_build_without_messages_takes_all_marks_away(self, page: Page) -> None:
        page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource(
                '%%rust\\npub fn right() -> u8 { 1 }')"""
        )
        run(page, 1)
        assert self.marked(page) == {"error": [], "warning": []}
        assert cell(page, 1).locator(".cm-gutter-lint").count() == 0

    def test_what_was_changed_while_the_cell_was_being_built_has_no_mark(self, page: Page) -> None:
        page.evaluate(
            """async text => {
                const panel = window.jupyterapp.shell.currentWidget;
                const model = panel.content.widgets[1].model.sharedModel;
                const done = window.jupyterapp.commands.execute('notebook:run-cell');
                model.setSource(text);
                await done;
            }""",
            FAILING.replace("String::from(name)", "name.to_string()"),
        )
        cell(page, 1).locator(".cm-lintRange-warning").first.wait_for()
        assert self.marked(page) == {"error": [], "warning": ["(", ")"]}

    def test_a_place_in_the_output_puts_the_cursor_there(self, page: Page) -> None:
        put(page, 0, 0, 0)
        cell(page, 1).locator("a.pyo3magic-place").first.click()
        page.wait_for_function("() => document.activeElement.closest('.jp-CodeCell')")
        assert self.cursor(page) == [1, 3, 4 + len('let name = "é..";') + 7]
        page.keyboard.press("Escape")

    def cursor(self, page: Page) -> list[int]:
        found: list[int] = page.evaluate(
            """() => {
                const { activeCellIndex, activeCell } = window.jupyterapp.shell.currentWidget.content;
                const { line, column } = activeCell.editor.getCursorPosition();
                return [activeCellIndex, line, column];
            }"""
        )
        return found

    def test_the_place_of_a_panic_leads_to_the_other_cell(self, page: Page) -> None:
        run(page, 2)
        assert "panicked" in run(page, 3)
        link = cell(page, 3).locator("a.pyo3magic-place")
        said = re.fullmatch(r"In\[\d+\], line 4, column (\d+)", link.inner_text())
        assert said
        link.click()
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex === 2")
        assert self.cursor(page) == [2, 3, int(said[1]) - 1]
        page.keyboard.press("Escape")

    def test_a_button_changes_the_text_and_undo_takes_it_back(self, page: Page) -> None:
        button = cell(page, 1).locator("button.pyo3magic-fix", has_text="borrowing")
        button.click()
        fixed = FAILING.replace("takes(String", "takes(&String")
        assert source(page, 1) == fixed
        assert self.marked(page) == {"error": [], "warning": ["(", ")"]}
        cell(page, 1).locator("button.pyo3magic-fix", has_text="parentheses").click()
        assert source(page, 1) == fixed.replace("(x)", "x")
        put(page, 1, 0, 0)
        for _ in range(3):
            if source(page, 1) != FAILING:
                page.keyboard.press("Control+z")
        assert source(page, 1) == FAILING

    def test_a_quick_fix_in_the_editor_does_the_same(self, page: Page) -> None:
        cell(page, 1).locator(".cm-lintRange-warning").first.hover()
        page.locator(".cm-tooltip-hover .cm-diagnosticAction").click()
        assert source(page, 1) == FAILING.replace("(x)", "x")
        page.mouse.move(0, 0)

    def test_stale_text_is_never_changed(self, page: Page) -> None:
        put(page, 1, 2, 14)
        page.keyboard.type("2")
        changed = FAILING.replace("(x)", "(x2)")
        assert source(page, 1) == changed
        button = cell(page, 1).locator("button.pyo3magic-fix", has_text="parentheses")
        button.click()
        assert source(page, 1) == changed
        assert button.is_disabled()
        assert "changed" in str(button.get_attribute("title"))

    def test_a_saved_notebook_has_what_it_had_before(self, page: Page, lab: Lab) -> None:
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        text = (lab.folder / "errors.ipynb").read_text(encoding="utf-8")
        outputs = json.loads(text)["cells"][1]["outputs"]
        assert [set(output.get("data", {})) for output in outputs] == [{"text/plain", "text/html"}, set()]
        assert "machine" not in text
        for word in ("replacement", "transient", "pyo3magic-place", "pyo3magic-fix"):
            assert word not in text, word

    def test_rust_fix_puts_the_changed_cell_into_the_notebook(self, page: Page) -> None:
        run(page, 4)
        page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.content.widgets[4].model.sharedModel
                .getSource().startsWith('%%rust')"""
        )
        assert source(page, 4) == FAILING.replace("(x)", "x").replace("takes(String", "takes(&String")
        assert look(page, 4, "fn") == look(page, 1, "fn")


def test_notebook_7_shows_rust_and_errors(lab: Lab, page: Page) -> None:
    lab.notebook("seven.ipynb", "%load_ext pyo3magic", FAILING, PYTHON)
    open_notebook(page, lab, "seven.ipynb", notebook7=True)
    assert look(page, 1, "fn") == look(page, 2, "def")
    run(page, 0)
    run(page, 1)
    marked = cell(page, 1).locator(".cm-lintRange-error")
    marked.wait_for()
    assert marked.all_inner_texts() == ["String::from(name)"]
    assert cell(page, 1).locator("button.pyo3magic-fix").count() == 2


def test_a_console_shows_rust_and_errors(lab: Lab, page: Page) -> None:
    page.goto(f"{lab.url}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('console:create')", timeout=TIMEOUT)
    page.evaluate(
        """async () => {
            await window.jupyterapp.restored;
            const panel = await window.jupyterapp.commands.execute('console:create', {
                activate: true, kernelPreference: { name: 'python3', shouldStart: true }
            });
            await panel.sessionContext.ready;
        }"""
    )
    page.locator(".jp-CodeConsole-promptCell .cm-content").wait_for(timeout=TIMEOUT)

    def execute(text: str) -> None:
        page.evaluate(
            """async text => {
                const { console } = window.jupyterapp.shell.currentWidget;
                console.promptCell.model.sharedModel.setSource(text);
                await console.execute(true);
            }""",
            text,
        )

    execute("%load_ext pyo3magic")
    execute(FAILING)
    entered = page.locator(".jp-CodeConsole-content .jp-CodeCell", has_text="wrong")
    entered.locator(".cm-lintRange-error").wait_for()
    assert entered.locator(".cm-content span", has_text="fn").first.evaluate(
        "node => getComputedStyle(node).fontWeight"
    )
    assert entered.locator("a.pyo3magic-place").count() >= 2
    assert entered.locator("button.pyo3magic-fix").count() == 0, "what was entered cannot be changed"
