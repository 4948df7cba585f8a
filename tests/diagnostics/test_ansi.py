"""Escape sequences to HTML and plain text."""

import re

import pytest

from pyo3magic.diagnostics import ansi


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain\ttab\nline", "plain\ttab\nline"),
        ("\x1b[1m\x1b[91merror\x1b[0m: x", "error: x"),
        ("\x1b[38;5;9mred\x1b[39m", "red"),
        ("\x1b]8;;https://a.b/\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("\x1b]8;;https://a.b/\x07here\x1b]8;;\x07", "here"),
        ("\x1b[2K\x1b[?25lwait\x1b[1A\x1b(B\x00\x08", "wait"),
        ("one\r\ntwo", "one\ntwo"),
        ("cut \x1b", "cut "),
        ("cut \x1b[", "cut ["),
    ],
)
def test_strip(text: str, plain: str) -> None:
    assert ansi.strip(text) == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert('&')</script>", "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;"),
        ("\x1b[1mb\x1b[0m n", '<span style="font-weight: bold">b</span> n'),
        ("\x1b[01mb\x1b[22mn", '<span style="font-weight: bold">b</span>n'),
        ("\x1b[mx\x1b[999mx\x1b[;;mx", "xxx"),
        ("\x1b[38;2;1;2;255mx\x1b[39my", '<span style="color: #0102ff">x</span>y'),
        ("\x1b[38:2:1:2:3mx", '<span style="color: #010203">x</span>'),
        ("\x1b[38;5;196mx", '<span style="color: #ff0000">x</span>'),
        ("\x1b[38;5;255mx", '<span style="color: #eeeeee">x</span>'),
        ("\x1b[38;5;700mx\x1b[38mx\x1b[38;2;1mx\x1b[48;5;1mx", "xxxx"),
        ("\x1b[48;5;1;1mx", '<span style="font-weight: bold">x</span>'),
        ("\x1b]8;;javascript:alert(1)\x1b\\x\x1b]8;;\x1b\\", "x"),
        ("\x1b]8\x07x\x1b]0;title\x07y", "xy"),
    ],
)
def test_to_html(text: str, expected: str) -> None:
    assert ansi.to_html(text) == expected


def test_bright_and_normal_colours_are_the_theme_s() -> None:
    normal, bright = ansi.to_html("\x1b[31mx"), ansi.to_html("\x1b[91mx")
    assert normal == bright == ansi.to_html("\x1b[38;5;9mx")
    assert "var(--jp-error-color0, #" in normal


def test_links() -> None:
    page = ansi.to_html(ansi.link('https://x.y/?a="b"&c', "<E0382>"))
    assert page.startswith('<a href="https://x.y/?a=&quot;b&quot;&amp;c" ')
    assert page.endswith(">&lt;E0382&gt;</a>")
    page = ansi.to_html("see https://pyo3.rs/v0.30.1/class.html#no-generic-parameters.\n")
    assert 'href="https://pyo3.rs/v0.30.1/class.html#no-generic-parameters"' in page
    assert page.endswith("</a>.\n")


def _luminance(colour: str) -> float:
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("code", range(30, 38))
def test_fallback_colours_read_on_light_and_dark(code: int) -> None:
    (colour,) = re.findall("#[0-9a-f]{6}", ansi.to_html(f"\x1b[{code}mx"))
    for background in ("#ffffff", "#111111"):
        high, low = sorted((_luminance(colour), _luminance(background)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3.9, (colour, background)
