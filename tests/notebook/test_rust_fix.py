"""``%rust_fix``, and what travels with compiler messages in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.diagnostics import Diagnostic, Edit, Span, Suggestion
from pyo3magic.notebook.display import show_diagnostics

_CELL = "\n%%rust\nfn f() { let mut x = 1; }\n"
_EDIT = Edit(2, 14, 2, 18, "mut ", "")
_FOUND = Diagnostic(
    "warning",
    "variable does not need to be mutable",
    rendered="warning: variable does not need to be mutable\n",
    spans=(Span(2, 14, 2, 19, is_primary=True),),
    suggestions=(Suggestion("remove this `mut`", (_EDIT,)),),
)


@pytest.fixture
def inputs(plain: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were put into the next input."""
    found: list[str] = []
    monkeypatch.setattr(plain, "set_next_input", lambda text, **_: found.append(text))
    monkeypatch.setattr(plain.history_manager, "input_hist_raw", ["", "%load_ext pyo3magic", _CELL])
    return found


def test_the_cell_comes_with_the_suggestions_applied(
    plain: Any, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    show_diagnostics(plain, [_FOUND], "In[2]")
    plain.run_line_magic("rust_fix", "")
    assert inputs == ["%%rust\nfn f() { let x = 1; }"]
    assert "In[2] with: remove this `mut`" in capsys.readouterr().err


@pytest.mark.parametrize("items", [[], [Diagnostic("error", "no", rendered="error: no\n")]])
def test_without_a_suggestion_nothing_changes(
    items: list[Diagnostic], plain: Any, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    show_diagnostics(plain, items, "In[2]")
    plain.run_line_magic("rust_fix", "")
    assert inputs == []
    assert "no suggestion" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["In[1]", "In[9]", "src/points.rs"])
def test_text_that_the_compiler_has_not_read_stays(
    label: str, plain: Any, inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from pyo3magic.errors import CellError

    show_diagnostics(plain, [_FOUND], label)
    with pytest.raises(CellError):
        plain.run_line_magic("rust_fix", "")
    assert inputs == []
    capsys.readouterr()


@pytest.mark.parametrize(("label", "sent"), [("In[2]", True), ("src/points.rs", False)])
def test_a_notebook_gets_places_next_to_what_it_shows(label: str, sent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Notebook:
        kernel = object()

    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    show_diagnostics(Notebook(), [_FOUND], label)
    ((data, options),) = shown
    assert set(data) == {"text/plain", "text/html"}
    transient = options["transient"]
    assert (transient["pyo3magic"]["cell"] == label) if sent else transient is None
