"""What can be said of linked cells without a compiler."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import CellError, DependencyError
from pyo3magic.invocation import Invocation
from pyo3magic.linked import inherited_dependencies, used_cells
from pyo3magic.load import Module
from pyo3magic.runtime import _groups as groups
from pyo3magic.runtime import compiler_line, explain_failure
from pyo3magic.store import Artifact, digest_libraries
from pyo3magic.syntax import analyse
from pyo3magic.versions import Versions

if TYPE_CHECKING:
    from types import ModuleType


def artifact(name: str, digest: str = "", cells: dict[str, str] | None = None, folder: Path = Path()) -> Artifact:
    return Artifact(digest or name, folder, name, folder / f"{name}.so", "", "", cells=cells or {})


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("use geometry::Point;", True),
        ("use geometry::{self, Point};", True),
        ("use geometry::geometry;", True),
        ("use geometry::Point as geometry;", True),
        ("use ::geometry::Point;", True),
        ("use {geometry::P, std::fmt};", True),
        ("extern crate geometry;", True),
        ("extern crate geometry as g;", True),
        ("fn f() { geometry::point!(1); }", True),
        ("fn f() { vec![geometry::A]; }", True),
        ("#[derive(geometry::D)] struct S;", True),
        ("#[pyclass(extends=geometry::Base)] struct S;", True),
        ("fn f(x: &dyn geometry::Shape) {}", True),
        ("const X: f64 = <geometry::P as Default>::X;", True),
        ("mod m { use geometry::X; }", True),
        ("mod geometry { pub struct X; } use geometry::X;", False),
        ("use other::geometry; fn f() { geometry::x() }", False),
        ("// geometry::Point", False),
        ('const T: &str = "geometry::Point";', False),
        ("use a::{geometry::P};", False),
    ],
)
def test_found_by_syntax(code: str, used: bool) -> None:
    named = {"geometry": artifact("geometry")}
    assert (set(used_cells(analyse(code).crates, (), named, None)) == {"geometry"}) is used


def test_a_declared_crate_wins() -> None:
    named = {"my_crate": artifact("my_crate")}
    assert used_cells(["my_crate"], ["my-crate"], named, None) == {}
    assert used_cells(["my_crate"], ["pyo3"], named, None) == named


def test_circles() -> None:
    named = {"a": artifact("a"), "b": artifact("b", cells={"a": "a"}), "c": artifact("c", cells={"b": "b"})}
    with pytest.raises(CellError, match="a uses c uses b uses a"):
        used_cells(["c"], (), named, "a")
    with pytest.raises(CellError, match="uses itself"):
        used_cells(["a"], (), named, "a")
    assert set(used_cells(["b", "a"], (), named, "c")) == {"a", "b"}


def test_dependencies_that_are_inherited(tmp_path: Path) -> None:
    for name, entries in {
        "a": 'chrono = "0.4"\nhex = "*"\npyo3magic-support = { path = "support" }',
        "b": 'chrono = { version = "0.4", features = ["serde"] }\nrare = { version = "1", optional = true }',
    }.items():
        crate = tmp_path / name / "crate"
        crate.mkdir(parents=True)
        (crate / "Cargo.toml").write_text(f'[dependencies]\npyo3 = "0.30"\n{entries}\n')
    used = {name: artifact(name, folder=tmp_path / name) for name in ("a", "b")}
    assert list(inherited_dependencies(used, {"hex"}).values()) == [
        {"package": "chrono", "version": "0.4", "features": ["serde"]}
    ]
    assert inherited_dependencies({}, ()) == {}


LOCK = """
[[package]]
name = "a-b"
dependencies = ["shared"]
[[package]]
name = "c"
dependencies = ["shared 1.0.0"]
[[package]]
name = "d"
dependencies = ["pyo3"]
[[package]]
name = "pyo3"
dependencies = ["libc"]
[[package]]
name = "libc"
[[package]]
name = "shared"
"""


def test_groups_of_dependencies_have_nothing_in_common_but_pyo3() -> None:
    assert groups(LOCK, (("a_b", "a_b"), ("c", "c"), ("d", "d"))) == (("a_b", "c"), ("d",))
    assert groups(LOCK, (("renamed", "a_b"), ("c", "c"))) == (("c", "renamed"),)


def test_the_compiler_line_of_a_dylib() -> None:
    words = "rustc --crate-name cell --edition=2024 src/lib.rs --crate-type cdylib -C lto=thin -C metadata=1 "
    words += "-C extra-filename=-1 --out-dir /old -C opt-level=3 --extern pyo3=/x.rlib"
    invocation = Invocation(tuple(words.split()), {}, "", {})
    line = compiler_line(invocation, "new", "dylib", Path("src/new.rs"), Path("/new"))
    assert line == [
        "rustc",
        "--edition=2024",
        "-C",
        "opt-level=3",
        "--extern",
        "pyo3=/x.rlib",
        "--crate-name",
        "new",
        "--crate-type",
        "dylib",
        "--out-dir",
        "/new",
        "-C",
        "prefer-dynamic",
        "-C",
        "metadata=new",
        "src/new.rs",
    ]


def test_why_a_link_failed() -> None:
    said = json.dumps({"rendered": "error: cannot satisfy dependencies so `hex` only shows up once"})
    error = explain_failure(said, ["a", "b"])
    assert isinstance(error, DependencyError)
    assert "a, b" in error.message
    assert "--force" in explain_failure("ld: gone", []).advice


def test_a_changed_library_is_read_again(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(b"one")
    (tmp_path / "record.txt").touch()
    first = digest_libraries(tmp_path)
    assert digest_libraries(tmp_path) == first
    library.write_bytes(b"two!")
    assert digest_libraries(tmp_path) != first


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
            "uses middle of In[2], which uses another one that has been replaced: run In[2] and then In[3] again",
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
