"""The same in terminal IPython."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.cargo, pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")]

_ESCAPES = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str], store: Path) -> Iterator[Any]:
    pexpect = pytest.importorskip("pexpect")
    variables = {**environment, "PYO3MAGIC_STORE": str(store), "IPYTHONDIR": str(tmp_path), "TERM": "xterm"}
    arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    child = pexpect.spawn(
        sys.executable, arguments, env=variables, cwd=str(tmp_path), encoding="utf-8", timeout=90, dimensions=(50, 200)
    )
    child.expect(r"In \[1\]: ")
    yield child
    child.close(force=True)


def _type(terminal: Any, *lines: str) -> None:
    """Type the lines of a cell; two empty ones end a cell magic's."""
    for index, line in enumerate((*lines, "", "") if lines[0].startswith("%%") else lines):
        if index:
            terminal.expect(r"\.\.\.: ")
        terminal.sendline(line)


def _cell(terminal: Any, number: int, *lines: str) -> str:
    """Type a cell; what was shown until the next prompt, without escapes."""
    _type(terminal, *lines)
    terminal.expect(rf"In \[{number}\]: ")
    return _ESCAPES.sub("", str(terminal.before))


def test_a_cell_in_the_terminal(terminal: Any) -> None:
    _cell(terminal, 2, "%load_ext pyo3magic")
    _cell(terminal, 3, "%%rust", '#[pyfunction] fn shout(x: i64) -> i64 { println!("loud {x}"); x * 2 }')
    shown = _cell(terminal, 4, "shout(21)")
    assert "loud 21" in shown
    assert "42" in shown


def test_an_error_in_the_terminal_has_colours_links_and_no_traceback(terminal: Any) -> None:
    _cell(terminal, 2, "%load_ext pyo3magic")
    shown = _cell(terminal, 3, "%%rust", "#[pyfunction] fn wrong() -> i64 { missing }")
    raw = str(terminal.before)
    assert "In[2]:2:35" in shown
    assert "E0425" in shown
    assert "Traceback" not in shown
    assert "CompileError" in shown
    assert "\x1b[" in raw
    assert "\x1b]8;;https://doc.rust-lang.org/error_codes/E0425.html" in raw
    assert "False" in _cell(terminal, 4, "'wrong' in globals()")


def test_interrupt_in_the_terminal(terminal: Any) -> None:
    _cell(terminal, 2, "%load_ext pyo3magic")
    _cell(terminal, 3, "%config PyO3Magic.progress_delay = 0.0")
    _type(
        terminal,
        "%%rust",
        "#![allow(long_running_const_eval)]",
        "const fn spin(mut n: u64) -> u64 { let mut x = 0u64; while n > 0 { n -= 1; x = x.wrapping_mul(31) ^ n; } x }",
        "#[pyfunction] fn endless() -> u64 { const X: u64 = spin(u64::MAX); X }",
    )
    terminal.expect("Compiling")
    terminal.sendintr()
    terminal.expect(r"In \[4\]: ")
    assert "Interrupted" in terminal.before
    assert "Traceback" not in _ESCAPES.sub("", terminal.before)
    assert "2" in _cell(terminal, 5, "1 + 1")
