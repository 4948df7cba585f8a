"""What completion and help cost while someone types in a long cell."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from .report import Result, Series, figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bench import Bench

__all__ = ["completion"]

_GOAL = 0.005
_ITEMS = 50
_BLOCK = """/// Point number {number}.
#[pyclass]
pub struct Point{number} {{
    #[pyo3(get)]
    pub x: f64,
    y: f64,
}}

#[pymethods]
impl Point{number} {{
    #[new]
    fn new(x: f64, y: f64) -> Self {{
        Point{number} {{ x, y }}
    }}
    fn norm(&self) -> f64 {{
        let squares = self.x * self.x + self.y * self.y;
        squares.sqrt()
    }}
}}
"""
_CELL = '%%rust -m long\n---\n[dependencies]\nserde = "1"\n---\n' + "\n".join(
    _BLOCK.format(number=number) for number in range(_ITEMS)
)
_PLACE = f"    }}\n}}\n\n/// Point number {_ITEMS // 2}."
_REQUESTS = {
    "a local variable": (_PLACE, "squ"),
    "a name of the cell": (_PLACE, "Poi"),
    "a field, after self.": (_PLACE, "self."),
    "a path, after ::": (_PLACE, "Point3::"),
    "an attribute": ("#[pymethods]", "#[pyclass(fro"),
    "an option": ("\n---\n[dep", " --prof"),
    "a crate, after -d": ("\n---\n[dep", " -d ser"),
    "a key of front matter": ("[dependencies]", "[pack"),
}


def completion(bench: Bench) -> Result:
    """Completion in a ``%%rust`` cell of 1,000 lines, each time after one more character, and the help on a method."""
    with _shell(bench) as shell:
        rows = [Series(what, _typed(shell, *request, bench.rounds)) for what, request in _REQUESTS.items()]
        rows.append(Series("help on a method", _helped(shell, bench.rounds)))
        hooks = shell.Completer.custom_matchers
        hooks.clear()
        slow = Series("Python's completers, without the extension's", _typed(shell, _PLACE, "squ", 3))
    goals = tuple(figure(row, _GOAL) for row in rows)
    lines = _CELL.count("\n")
    return Result(
        f"Completion in a cell of {lines} lines",
        (*rows, slow),
        goals,
        ("processor time in the kernel, without the front end",),
    )


def _typed(shell: Any, before: str, text: str, rounds: int) -> tuple[float, ...]:
    """Seconds of the completion after a text, once per round; the cell is a little longer each time."""
    from IPython.core.completer import provisionalcompleter

    at = _CELL.index(before)
    samples = []
    with provisionalcompleter():
        for number in range(rounds + 1):
            cell = f"{_CELL[:at]}{text}{_CELL[at:]}{'/' * (number % 40 + 2)}"
            started = time.process_time()
            list(shell.Completer.completions(cell, at + len(text)))
            samples.append(time.process_time() - started)
    return tuple(samples[1:])  # the first request imports what all later ones use


def _helped(shell: Any, rounds: int) -> tuple[float, ...]:
    from pyo3magic.notebook.inspection import Inspection

    inspection = Inspection(shell, lambda: None)
    samples = []
    for number in range(rounds + 1):
        cell = f"{_CELL}{'/' * (number % 40 + 2)}"
        at = cell.index("norm", len(cell) // 2) + 2
        started = time.process_time()
        found = inspection.of_cell(cell, at)
        samples.append(time.process_time() - started)
        assert found is not None
        assert found["found"]
    inspection.close()
    return tuple(samples[1:])


@contextlib.contextmanager
def _shell(bench: Bench) -> Iterator[Any]:
    """An IPython shell in this process, with the extension."""
    from IPython.core.interactiveshell import InteractiveShell

    import pyo3magic

    variables = {"PYO3MAGIC_STORE": str(bench.store), "PYO3MAGIC_WARM_UP": "0"}
    earlier = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    shell = InteractiveShell()
    pyo3magic.load_ipython_extension(shell)
    try:
        yield shell
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
