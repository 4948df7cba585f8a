from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pyo3magic.session.load import Module
from pyo3magic.session.versions import Versions
from tests.compile.conftest import artifact

if TYPE_CHECKING:
    from types import ModuleType

    from pyo3magic.store import Artifact


def run(versions: Versions, label: str, made: Artifact, name: str | None, **exports: Any) -> None:
    module: ModuleType = SimpleNamespace(**exports)  # type: ignore[assignment]
    versions.add(Module(made, module, tuple(exports)), label, name)


def new_class() -> type:
    return type("Point", (), {})


def test_which_version_is_used() -> None:
    versions = Versions()
    first, second = new_class(), new_class()
    run(versions, "In[1]", artifact("base", "b1"), "base", Point=first)
    run(versions, "In[2]", artifact("middle", "m1", {"base": "b1"}), "middle", make=1)
    run(versions, "In[3]", artifact("cell", "c1", {"middle": "m1"}), None, top=1)
    assert versions.uses() == (("middle (In[2])", "uses base of In[1]"), ("In[3]", "uses middle of In[2]"))
    run(versions, "In[4]", artifact("base", "b2"), "base", Point=second)
    assert first.__qualname__ == "Point (before it was replaced by In[4]; run In[2] and In[3] again)"
    assert second.__qualname__ == "Point"
    assert versions.uses() == (
        ("middle (In[2])", "uses base of In[1], which In[4] has replaced: run In[2] again"),
        (
            "In[3]",
            "uses middle of In[2], which uses a cell that has been replaced: run In[2] and then In[3] again",
        ),
    )
    run(versions, "In[5]", artifact("middle", "m2", {"base": "b2"}), "middle", make=1)
    assert first.__qualname__ == "Point (before it was replaced by In[4]; run In[3] again)"
    run(versions, "In[6]", artifact("cell", "c2", {"middle": "m2"}), None, top=1)
    assert first.__qualname__ == "Point (before it was replaced by In[4])"
    assert versions.uses() == (("middle (In[5])", "uses base of In[4]"), ("In[6]", "uses middle of In[5]"))
    run(versions, "In[7]", artifact("base", "b1"), "base", Point=first)
    assert first.__qualname__ == "Point"
    assert second.__qualname__.startswith("Point (before it was replaced by In[7]; run In[5] and In[6] again")


def test_classes_of_two_named_cells_do_not_replace_each_other() -> None:
    versions = Versions()
    one, other, loose, later = (new_class() for _ in range(4))
    run(versions, "In[1]", artifact("one"), "one", Point=one)
    run(versions, "In[2]", artifact("other"), "other", Point=other)
    assert (one.__qualname__, other.__qualname__) == ("Point", "Point")
    run(versions, "In[3]", artifact("loose"), None, Point=loose)
    assert one.__qualname__ == "Point"
    run(versions, "In[4]", artifact("later"), None, Point=later)
    assert "replaced by In[4]" in loose.__qualname__
