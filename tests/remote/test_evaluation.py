"""What a remote kernel shows is made harmless before it is shown here."""

from __future__ import annotations

import base64
import html
from typing import Any

import pytest

from pyo3magic.remote.evaluation import Evaluation, Output, output_of
from pyo3magic.remote.wire import Message


def shown(kind: str, **content: Any) -> Output | None:
    return output_of(Message("iopub", "id", kind, content))


def bundle(**data: Any) -> dict[str, str] | None:
    """What is left of a display's data, whose types are written with two underscores for the slash."""
    output = shown("display_data", data={kind.replace("__", "/"): value for kind, value in data.items()})
    return None if output is None else dict(output.data)


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("stream", {"name": "stdout", "text": "a"}, Output("stdout", {"text/plain": "a"})),
        ("stream", {"name": "stderr", "text": "a"}, Output("stderr", {"text/plain": "a"})),
        ("stream", {"name": "another", "text": "a"}, Output("stdout", {"text/plain": "a"})),
        ("stream", {"text": "a"}, Output("stdout", {"text/plain": "a"})),
        ("stream", {"name": "stdout", "text": 5}, None),
        ("stream", {"name": "stdout"}, None),
        ("error", {"traceback": ["a", "b"], "ename": "E"}, Output("error", {"text/plain": "a\nb"})),
        ("error", {"traceback": ["a", 1], "ename": "E", "evalue": "v"}, Output("error", {"text/plain": "E: v"})),
        ("error", {"traceback": [], "ename": "E", "evalue": "v"}, Output("error", {"text/plain": "E: v"})),
        ("error", {"traceback": "text", "ename": "E", "evalue": "v"}, Output("error", {"text/plain": "E: v"})),
        ("error", {"ename": "E\x1b[2J", "evalue": None}, Output("error", {"text/plain": "E[2J: None"})),
        ("error", {"traceback": ["\x1b]0;x\x07"]}, Output("error", {"text/plain": "]0;x"})),
        ("display_data", {"data": {"text/plain": "1"}}, Output("display", {"text/plain": "1"})),
        ("execute_result", {"data": {"text/plain": "1"}}, Output("result", {"text/plain": "1"})),
        ("display_data", {"data": {"text/plain": "\x1b]0;x\x07"}}, Output("display", {"text/plain": "]0;x"})),
        ("execute_result", {"data": {"text/plain": 5}}, None),
        ("display_data", {"data": "text"}, None),
        ("display_data", {}, None),
        ("display_data", {"data": {}}, None),
        ("update_display_data", {"data": {"text/plain": "1"}}, None),
        ("status", {"execution_state": "idle"}, None),
        ("comm_open", {"target_name": "x"}, None),
        ("text", {"name": "stdout", "text": "a"}, None),
    ],
)
def test_outputs_by_the_type_of_their_message(kind: str, content: dict[str, Any], expected: Output | None) -> None:
    assert shown(kind, **content) == expected


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[m", "\x1b[m"),
        ("\x1b[1;38;5;200mx", "\x1b[1;38;5;200mx"),
        (f"\x1b[{'1' * 40}mx", f"\x1b[{'1' * 40}mx"),
        (f"\x1b[{'1' * 41}mx", f"[{'1' * 41}mx"),
        ("\x1b]52;c;eA==\x07", "]52;c;eA=="),  # writes the clipboard
        ("\x1b[2J", "[2J"),
        ("\x1bm", "m"),
        ("a\tb\nc\rd", "a\tb\nc\rd"),
        ("a\x00\x08\x0b\x0c\x0e\x1f\x7f\x80\x9b\x9fb", "ab"),
        ("a\u202a\u202e\u2066\u2069b\u2029\u2065", "ab\u2029\u2065"),
        ("m", "m"),
    ],
)
def test_colours_are_the_only_escape_sequences(text: str, left: str) -> None:
    output = shown("stream", text=text)
    assert output is not None
    assert output.text == left


def test_html_is_shown_in_a_frame_without_scripts() -> None:
    page = "<script>alert(\"1\" + '2' & 3)</script>"
    safe = bundle(text__html=page)
    assert safe == {
        "text/html": f'<iframe sandbox srcdoc="{html.escape(page)}" '
        'style="width:100%;height:22em;border:0;resize:vertical"></iframe>'
    }
    assert '"1"' not in safe["text/html"]
    assert "<script" not in safe["text/html"]


def test_svg_is_an_image_without_scripts() -> None:
    encoded = base64.b64encode(b"<svg onload='x'>?</svg>").decode()
    expected = {"text/html": f'<img src="data:image/svg+xml;base64,{encoded}">'}
    assert bundle(**{"image__svg+xml": "<svg onload='x'>\ud800</svg>"}) == expected
    assert bundle(**{"image__svg+xml": 5}) is None


def test_html_wins_over_svg() -> None:
    safe = bundle(**{"text__html": "page", "image__svg+xml": "<svg/>"})
    assert safe is not None
    assert safe["text/html"].startswith("<iframe sandbox ")


@pytest.mark.parametrize("kind", ["image__png", "image__jpeg"])
def test_images_are_base64_and_nothing_else(kind: str) -> None:
    image = "iVBO+/Az09=\n"
    assert bundle(**{kind: image}) == {kind.replace("__", "/"): image}
    assert bundle(**{kind: 'x" onerror="'}) is None
    assert bundle(**{kind: 5}) is None
    assert bundle(image__gif=image) is None


@pytest.mark.parametrize("word", ["href", "html", "style", "class", "cssId", "require", "data"])
def test_formulas_without_links(word: str) -> None:
    assert bundle(text__latex=f"$\\{word}{{javascript:x}}{{y}}$") is None
    assert bundle(text__latex=f"${word}$") == {"text/latex": f"${word}$"}
    assert bundle(text__latex=5) is None


def test_json_is_shown_as_text_where_there_is_none() -> None:
    assert bundle(application__json={"a": ["\x1b[2J"]}) == {"text/plain": '{"a": ["\\u001b[2J"]}'}
    assert bundle(application__json=None) == {"text/plain": "null"}
    assert bundle(application__json=[1], text__plain="one") == {"text/plain": "one"}


@pytest.mark.parametrize(
    "kind", ["application/javascript", "application/vnd.jupyter.widget-view+json", "text/markdown", "unknown/type"]
)
def test_other_types_are_left_out(kind: str) -> None:
    data = {kind: "<script>alert(1)</script>", "text/plain": "x"}
    assert shown("display_data", data=data) == Output("display", {"text/plain": "x"})


def test_the_last_result_is_the_value() -> None:
    first, last = Output("result", {"text/plain": "1"}), Output("result", {"text/plain": "2"})
    display = Output("display", {"text/html": "page"})
    assert Evaluation((first, last, display), ok=True).result is last
    assert Evaluation((display,), ok=True).result is None
    assert (first.text, display.text) == ("1", "")
