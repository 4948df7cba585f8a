"""How errors leave a magic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyo3magic.errors import CellError, CompileError, Interrupted, PyO3MagicError
from pyo3magic.notebook.error_display import errors_shown, errors_without_traceback

_SHELL = SimpleNamespace()


@pytest.mark.parametrize("error", [CellError("It is empty."), Interrupted("It was interrupted.")])
def test_an_error_keeps_its_words_and_loses_its_frames(error: PyO3MagicError) -> None:
    def fails() -> None:
        raise error

    for manager in (errors_without_traceback(), errors_shown(_SHELL, "In[1]", interrupted="never said")):
        with pytest.raises(type(error)) as caught, manager:
            fails()
        assert caught.value is error
        assert caught.value.__cause__ is None
        assert all(entry.name != "fails" for entry in caught.traceback)


def test_what_does_not_compile_is_told_by_its_label() -> None:
    error = CompileError("1 error: mismatched types")
    with pytest.raises(CompileError), errors_shown(_SHELL, "In[7]", interrupted=""):
        raise error
    assert error.label == "In[7]"


def test_an_interrupt_says_what_has_become_of_it() -> None:
    text = "Nothing has been written."
    with pytest.raises(Interrupted, match=text), errors_shown(_SHELL, "In[1]", interrupted=text):
        raise KeyboardInterrupt


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), errors_shown(_SHELL, "In[1]", interrupted=""):
        raise ZeroDivisionError
