"""What is shown where."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from pyo3magic.diagnostics import Diagnostic
from pyo3magic.environment.build_options import Event
from pyo3magic.notebook.display import Progress, Shown, describe_event, is_notebook, show_diagnostics, show_note


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Notebook:
    kernel = object()

    def __init__(self, code: str = "%%rust\nfn f() {}") -> None:
        self._code = code

    def get_parent(self) -> dict[str, Any]:
        return {"content": {"code": self._code}}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event("resolving"), "Choosing versions of the crates (3 s)"),
        (Event("resolving", "Updating index"), "Updating index (3 s)"),
        (Event("compiling", "pyo3", 3, 20), "Compiling 3 of 20: pyo3 (3 s)"),
        (Event("compiling"), "Compiling (3 s)"),
        (Event("waiting", "syn", 1, 2), "Waiting for another build 1 of 2: syn (3 s)"),
        (Event("compiling", ", ".join(["crate-name"] * 9)), f"Compiling: {', '.join(['crate-name'] * 5)}, … (3 s)"),
    ],
)
def test_one_line_about_a_build(event: Event, text: str) -> None:
    assert describe_event(event, 3.2) == text


def test_progress_in_a_terminal_is_one_line_and_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("pyo3magic.notebook.display._INTERVAL", 0)
    with Progress(None, delay=0) as progress:
        progress.report(Event("compiling", "a-long-crate-name", 1, 2))
        progress.report(Event("compiling", "b", 2, 2))
    text = stream.getvalue()
    assert "\n" not in text
    _, first, second, blank, end = text.split("\r")
    assert first == "Compiling 1 of 2: a-long-crate-name (0 s)"
    assert second == "Compiling 2 of 2: b (0 s)".ljust(len(first))
    assert (blank.strip(), end) == ("", "")


@pytest.mark.parametrize("options", [{"delay": 10.0}, {"delay": 0.0, "quiet": True}])
def test_a_short_or_quiet_build_shows_nothing(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(None, **options) as progress:
        progress.report(Event("compiling", "a", 1, 2))
    assert stream.getvalue() == ""


def test_a_file_gets_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(None, delay=0) as progress:
        progress.report(Event("compiling", "a", 1, 2))
    assert stream.getvalue() == ""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is displayed; an empty one where the output is cleared."""
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, data: dict[str, str], **_: Any) -> None:
            shown.append(data)

    def display(data: dict[str, str], **_: Any) -> Handle:
        shown.append(data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.clear_output", lambda: shown.append({}))
    monkeypatch.setattr("pyo3magic.notebook.display._INTERVAL", 0)
    return shown


def test_progress_in_a_notebook_is_escaped_and_cleared(shown: list[dict[str, str]]) -> None:
    with Progress(Notebook(), delay=0) as progress:
        progress.report(Event("compiling", "<b>", 1, 2))
        progress.report(Event("compiling", "c"))
    assert shown[0]["text/plain"] == "Compiling 1 of 2: <b> (0 s)"
    assert '<progress value="1" max="2"></progress>' in shown[0]["text/html"]
    assert "&lt;b&gt;" in shown[0]["text/html"]
    assert "<progress" not in shown[1]["text/html"]
    assert shown[2:] == [{}]


@pytest.mark.parametrize(
    ("code", "cleared"),
    [
        ("%rust --file a.rs", True),
        ("wheel = %pyo3_wheel", True),
        ("print('kept')\n%rust --file a.rs", False),
        ("%%time\nprint('kept')\n%rust --file a.rs", False),
        ("for _ in range(2): print('kept'); get_ipython().run_line_magic('pyo3_wheel', '')", False),
    ],
)
def test_only_the_line_goes_away_where_the_cell_may_have_shown_more(
    code: str, cleared: bool, shown: list[dict[str, str]]
) -> None:
    with Progress(Notebook(code), delay=0) as progress:
        progress.report(Event("compiling", "a", 1, 2))
    assert (shown[-1] == {}) is cleared
    assert shown[-1].get("text/plain", "") == ""


def warning() -> Diagnostic:
    return Diagnostic.from_dict(
        {
            "level": "warning",
            "message": "unused variable: `x`",
            "code": "unused_variables",
            "rendered": "\x1b[33mwarning\x1b[0m: unused",
        }
    )


@pytest.mark.parametrize(("stream", "coloured"), [(Terminal(), True), (io.StringIO(), False)])
def test_messages_have_colour_only_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, coloured: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    show_diagnostics(None, [warning()], "In[3]")
    assert "unused" in stream.getvalue()
    assert ("\x1b[" in stream.getvalue()) is coloured


def many(number: int) -> list[Diagnostic]:
    return [Diagnostic("error", f"no {n}", rendered=f"error: no {n}\n") for n in range(number)]


@pytest.mark.parametrize(("number", "shown"), [(7, 7), (8, 6), (60, 6)])
def test_many_messages_are_folded(capsys: pytest.CaptureFixture[str], number: int, shown: int) -> None:
    show_diagnostics(None, many(number), "In[3]")
    text = capsys.readouterr().err
    assert text.count("error: no") == shown
    assert (f"and {number - shown} more; %rust_errors shows them" in text) is (number > shown)
    show_diagnostics(None, many(number), "In[3]", whole=True)
    assert capsys.readouterr().err.count("error: no") == number


def test_the_latest_messages_are_shown_whole(plain: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plain.run_cell("%rust_errors")
    assert "nothing to say" in capsys.readouterr().err
    show_diagnostics(plain, many(9), "In[3]")
    capsys.readouterr()
    plain.run_cell("%rust_errors")
    assert capsys.readouterr().err.count("error: no") == 9


def test_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    show_diagnostics(None, [], "In[3]")
    assert capsys.readouterr() == ("", "")


def test_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    show_note(None, "a note")
    assert capsys.readouterr().err == "a note\n"


def test_text_is_shown_as_it_stands() -> None:
    assert repr(Shown("a\nb")) == "a\nb"


def test_what_is_a_notebook() -> None:
    assert is_notebook(Notebook())
    assert not is_notebook(object())
