"""Exceptions of panics, without Rust: a class of the same kind as PyO3's."""

from __future__ import annotations

import os
import pickle

import pytest

from pyo3magic.session import panics
from pyo3magic.session.panics import RustPanic, add_notes, soften, soften_in_children


def panic_exception() -> type[BaseException]:
    return type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})


def test_place_frames_and_cure_are_told() -> None:
    kind = panic_exception()
    add_notes(kind, lambda text: ("In[3], line 2", "frames") if text.startswith("called") else ("", ""))
    error = kind("called `Option::unwrap()` on a `None` value")
    told = "\n".join(getattr(error, "__notes__", error.args))
    assert "The Rust code panicked in In[3], line 2.\nframes" in told
    assert "ok_or_else" in told
    plain = kind("other")
    assert not hasattr(plain, "__notes__")
    assert plain.args == ("other",)
    assert kind().args == ()


def test_a_softened_panic_is_caught_and_pickled() -> None:
    kind = panic_exception()
    assert not issubclass(kind, Exception)
    add_notes(kind, lambda _: ("In[3], line 2", ""))
    soften(kind)
    assert issubclass(kind, RuntimeError)
    again = pickle.loads(pickle.dumps(kind("too big")))
    assert type(again) is RustPanic
    assert str(again) == "too big\nThe Rust code panicked in In[3], line 2."
    soften(kind)
    soften(BaseException)
    assert BaseException.__bases__ == (object,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX's")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_softens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panics, "_kinds", [])
    kind = panic_exception()
    soften_in_children(kind)
    soften_in_children(kind)
    assert panics._kinds == [kind]
    child = os.fork()
    if child == 0:
        os._exit(7 if issubclass(kind, RuntimeError) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not issubclass(kind, Exception)
