from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.crate import Crate, support_files
from pyo3magic.crate.package import ufunc_files

from .conftest import manifest

if TYPE_CHECKING:
    from pathlib import Path


def test_writing_touches_only_what_changed(tmp_path: Path) -> None:
    def crate(source: str) -> Crate:
        return Crate(manifest(), source, "fn main() {}", "lock", "cell", "config", support_files())

    crate("one").write(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        *("Cargo.toml", "Cargo.lock", "src/lib.rs", "build.rs", ".cargo/config.toml"),
        *(f"support/{name}" for name, _ in support_files()),
    }
    crate("two").write(tmp_path)
    changed = {path.name for path, stamp in written.items() if path.stat().st_mtime_ns != stamp}
    assert changed <= {"lib.rs"}
    assert (tmp_path / "src" / "lib.rs").read_text() == "two"


def test_support_fits_the_version_of_pyo3() -> None:
    assert "assume_attached" in dict(support_files((0, 30, 1)))["src/lib.rs"]
    old = dict(support_files((0, 25, 1)))["src/lib.rs"]
    assert "assume_gil_acquired" in old
    assert "assume_attached" not in old


def test_an_old_pyo3_has_no_module_for_arrays() -> None:
    assert "src/arrays/mod.rs" in dict(support_files((0, 23)))
    old = dict(support_files((0, 22)))
    assert "src/arrays/mod.rs" not in old
    assert "mod arrays" not in old["src/lib.rs"]
    assert "py.allow_threads(" in dict(support_files((0, 25)))["src/arrays/mod.rs"]


def test_ufuncs_fit_the_version_of_pyo3() -> None:
    new, old, oldest = ("".join(ufunc_files(version).values()) for version in ((0, 30), (0, 25), (0, 20)))
    assert "Python::attach(" in new
    assert "py.detach(" in new
    assert "Python::with_gil(" in old
    assert not {"attach(", "detach("} & set(old.replace("_", " ").split())
    assert "Bound" in old
    assert "Bound" not in oldest
