from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import numpy as np
import pytest

from pyo3magic.session import ufunc_pickling
from pyo3magic.session.load import RustModule
from pyo3magic.session.ufunc_pickling import adopt_ufunc, is_ufunc


def test_ufuncs_are_told_from_other_objects() -> None:
    assert is_ufunc(np.sin)
    assert not any(map(is_ufunc, (np.sum, len, np.ufunc, np, 1)))


@pytest.fixture(params=[False, True], ids=["with __module__", "without __module__"])
def adopted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = np.frompyfunc(lambda x: x, 1, 1)
    home = RustModule("rust_cell_0")
    vars(home)[made.__name__] = made
    monkeypatch.setitem(sys.modules, "rust_cell_0", home)
    if request.param:
        import copyreg

        # NumPy 1.26 and 2.0: the attribute cannot be set.
        monkeypatch.setattr(ufunc_pickling, "_before", {np.ufunc: copyreg.dispatch_table[np.ufunc]})
        monkeypatch.setattr(ufunc_pickling, "_homes", {id(made): (made, home)})
        monkeypatch.setitem(copyreg.dispatch_table, np.ufunc, ufunc_pickling._reduce)
    else:
        try:
            made.__module__ = ""
        except AttributeError:
            pytest.skip("this NumPy's ufuncs cannot have __module__")
        adopt_ufunc(made, home, "rust_cell_0")
    return made


def test_a_ufunc_is_found_in_its_module(adopted: Any) -> None:
    text = pickle.dumps(adopted)
    assert b"rust_cell_0" in text
    assert pickle.loads(text) is adopted
    assert copy.deepcopy(adopted) is adopted
    assert pickle.loads(pickle.dumps(np.sin)) is np.sin
