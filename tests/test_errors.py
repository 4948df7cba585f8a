"""Errors as the user meets them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pyo3magic import errors
from pyo3magic.errors import (
    BuildError,
    CellError,
    CompileError,
    Interrupted,
    ManifestError,
    PyO3MagicError,
    RustPanic,
)

KINDS = [getattr(errors, name) for name in errors.__all__ if name != "RustPanic"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_all_kinds_have_one_base_and_a_meaning(kind: type[PyO3MagicError]) -> None:
    assert issubclass(kind, PyO3MagicError)
    assert kind.__doc__
    error = kind("It is broken.", advice="Mend it.")
    assert str(error) == "It is broken.\nMend it."
    assert (error.message, error.advice, error.details) == ("It is broken.", "Mend it.", "")


@pytest.mark.parametrize(
    ("kind", "also"),
    [(ManifestError, CellError), (CompileError, BuildError), (Interrupted, KeyboardInterrupt)],
)
def test_kinds_of_kinds(kind: type[BaseException], also: type[BaseException]) -> None:
    assert issubclass(kind, also)


def test_a_panic_of_another_process_has_a_traceback() -> None:
    assert issubclass(RustPanic, RuntimeError)
    assert not issubclass(RustPanic, PyO3MagicError)
    assert str(pickle.loads(pickle.dumps(RustPanic("no")))) == "no"


def test_without_advice_only_the_message_is_shown() -> None:
    assert str(BuildError("No.")) == "No."
    assert len(BuildError("No.")._render_traceback_()) == 1


def test_ipython_shows_no_traceback() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = InteractiveShell()
    shell.user_ns["fail"] = lambda: (_ for _ in ()).throw(CellError("It is empty.", advice="Fill it."))
    seen: list[list[str]] = []
    shell._showtraceback = lambda kind, value, lines: seen.append(lines)
    result = shell.run_cell("fail()")
    assert isinstance(result.error_in_exec, CellError)
    (lines,) = seen
    assert "It is empty." in lines[0]
    assert lines[1:] == ["Fill it."]
