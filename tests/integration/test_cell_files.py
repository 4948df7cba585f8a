"""Files that a cell names: they mean the notebook's folder, in whatever is made of the cell."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import pyo3magic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Start
    from .kernel import Kernel

pytestmark = pytest.mark.cargo

CELL = """mod helper;
pub fn twice(x: i64) -> i64 { helper::twice(x) }
pub fn text() -> &'static str { include_str!("data.txt") }
pub fn up() -> &'static str { include_str!("../up.txt") }
pub fn of_package() -> &'static str { include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data.txt")) }
pub fn bytes() -> Vec<u8> { include_bytes!("helper/bytes.bin").to_vec() }
pub fn fail() { helper::inner::fail() }
"""


@pytest.fixture(autouse=True)
def files(kernel: Kernel) -> Path:
    """The files that the cell names, and a working directory for them."""
    folder = kernel.folder / "notebooks"
    write(folder)
    kernel.run(f"import os; os.chdir({str(folder)!r})")
    return folder


def write(folder: Path) -> None:
    (folder / "helper").mkdir(parents=True, exist_ok=True)
    (folder / "helper.rs").write_text("pub mod inner;\npub fn twice(x: i64) -> i64 { inner::two() * x }\n")
    inner = 'pub fn two() -> i64 { include!("two.txt") }\npub fn fail() { panic!("inside") }\n'
    (folder / "helper" / "inner.rs").write_text(inner)
    (folder / "helper" / "two.txt").write_text("2")
    (folder / "helper" / "bytes.bin").write_bytes(b"\0\xff")
    (folder / "data.txt").write_text("data")
    (folder.parent / "up.txt").write_text("up")


VALUES = (42, "data", "up", "data", b"\0\xff")
EXPRESSION = "{0}twice(21), {0}text(), {0}up(), {0}of_package(), {0}bytes()"


@pytest.mark.parametrize("line", ["", "-m named", "--debug", "--force"])
def test_they_are_found_and_changes_are_seen(line: str, kernel: Kernel, files: Path) -> None:
    kernel.rust(CELL, line)
    assert kernel.value(EXPRESSION.format("")) == VALUES
    for name, text in (("data.txt", "new"), ("helper/two.txt", "3"), ("../up.txt", "higher")):
        (files / name).write_text(text)
        kernel.rust(CELL, line)
    assert kernel.value(EXPRESSION.format("")) == (63, "new", "higher", "new", b"\0\xff")
    write(files)
    kernel.rust(CELL, line)
    assert kernel.value(EXPRESSION.format("")) == VALUES


def test_a_panic_in_a_file_names_it(kernel: Kernel) -> None:
    for line in ("", "-m panics"):
        kernel.rust(CELL, line)
        shown = kernel.run("fail()", expect="error").text
        assert "panicked in helper/inner.rs, line 2, column 17." in shown


def test_an_error_in_a_file_names_it(kernel: Kernel, files: Path) -> None:
    (files / "wrong.rs").write_text('\n\npub fn f() -> i64 { "text" }\n')
    for line in ("", "-m wrong_file"):
        shown = kernel.rust("mod wrong;\npub fn f() -> i64 { wrong::f() }", line, expect="error")
        assert "--> wrong.rs:3:21" in shown.text
        assert "src/" not in shown.text


def test_a_missing_file(kernel: Kernel, files: Path) -> None:
    shown = kernel.rust("mod gone;\npub fn f() {}", expect="error")
    assert shown.ename == "CellError"
    assert f"neither {files / 'gone.rs'} nor {files / 'gone' / 'mod.rs'}" in shown.text
    shown = kernel.rust("#[cfg(not(windows))] mod gone;\npub fn f() {}", expect="error")
    assert f'create file "{files / "gone.rs"}"' in shown.text
    shown = kernel.rust('pub fn f() -> Vec<&\'static str> { vec![include_str!("gone.txt")] }', expect="error")
    assert f"couldn't read `{files / 'gone.txt'}`" in shown.text
    (files / "gone.rs").write_text("")
    kernel.rust("mod gone;\npub fn f() {}")
    (files / "gone").mkdir()
    (files / "gone" / "mod.rs").write_text("")
    shown = kernel.rust("mod gone;\npub fn f() {}", expect="error")
    assert 'found at both "gone.rs" and "gone/mod.rs"' in shown.text


def test_an_absolute_path_is_read_where_it_is(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text("2")
    (tmp_path / "far.rs").write_text('pub const N: i64 = include!("far.txt");')
    cell = f'include!("{tmp_path.as_posix()}/far.rs");\npub fn far() -> i64 {{ N }}'
    kernel.rust(cell)
    assert kernel.value("far()") == 2
    (tmp_path / "far.txt").write_text("3")
    kernel.rust(cell)
    assert kernel.value("far()") == 3
    shown = kernel.run("%pyo3_sdist -o dist", expect="error")
    assert "name a file by its absolute path" in shown.text


def test_each_folder_has_its_own(kernel: Kernel, files: Path) -> None:
    other = files / "other"
    other.mkdir(exist_ok=True)
    (other / "data.txt").write_text("other")
    cell = 'pub fn here() -> &\'static str { include_str!("data.txt") }'
    for folder, value in ((files, "data"), (other, "other"), (files, "data")):
        kernel.run(f"os.chdir({str(folder)!r})")
        kernel.rust(cell)
        assert kernel.value("here()") == value


def test_a_new_kernel_finds_the_module_in_the_store(start: Start, kernel: Kernel, files: Path) -> None:
    kernel.rust(CELL, "-m again")
    other = start()
    other.run(f"import os; os.chdir({str(files)!r})")
    assert "from the store" in other.rust(CELL, "-m again -v").text
    assert "panicked in helper/inner.rs, line 2" in other.run("fail()", expect="error").text


def test_a_program_a_test_and_a_listing(kernel: Kernel) -> None:
    shown = kernel.rust('mod helper;\nfn main() { println!("{}", helper::twice(21)); }', "--bin")
    assert "42" in shown.text
    shown = kernel.rust("mod helper;\n#[test] fn doubles() { assert_eq!(helper::twice(2), 4); }", "--test")
    assert "1 passed" in shown.text
    shown = kernel.rust("mod helper;\npub fn f(x: i64) -> i64 { helper::twice(x) }", "--emit mir twice")
    assert "twice (helper.rs:2)" in shown.text


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, kernel_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that links from source."""
    from .kernel import Kernel

    kernel = Kernel(tmp_path_factory.mktemp("source"), {**kernel_environment, "PYO3MAGIC_LINKING": "source"})
    yield kernel
    kernel.close()


def test_a_cell_that_another_one_uses(kernel: Kernel, source: Kernel) -> None:
    write(source.folder)
    for each in (kernel, source):
        each.rust(CELL, "-m provider")
        each.rust("pub fn used() -> i64 { provider::twice(21) }\npub fn fall() { provider::fail() }")
        assert each.value("used()") == 42
        assert "panicked in helper/inner.rs, line 2" in each.run("fall()", expect="error").text
        shown = each.rust('fn main() { println!("{} {}", provider::twice(21), provider::of_package()); }', "--bin")
        assert "42 data" in shown.text


def test_a_cell_is_saved_with_its_files(kernel: Kernel, files: Path, tmp_path: Path) -> None:
    there = tmp_path / "there" / "saved.rs"
    there.parent.mkdir()
    shown = kernel.rust(CELL, f"--write {there}")
    assert f"saved as {there}, with ../up.txt, data.txt, helper.rs" in shown.text
    assert kernel.value("twice(21)") == 42
    kernel.run(f"%rust --file {there}")
    assert kernel.value(EXPRESSION.format("")) == VALUES
    (files / "data.txt").write_text("new")
    (there.parent / "data.txt").write_text("edited")
    shown = kernel.rust(CELL, f"--write {there}", expect="error")
    assert "data.txt" in shown.text
    assert (there.parent / "data.txt").read_text() == "edited"
    shown = kernel.rust(CELL, "--write beside.rs")
    assert f"saved as {files / 'beside.rs'}\n" in shown.text + "\n"


def test_a_file_that_changes_during_the_build(start: Start, files: Path) -> None:
    """Whatever the editor does, what is found again is what was built."""
    kernel = start()
    kernel.run(f"import os; os.chdir({str(files)!r})")
    cell = 'pub fn racing() -> &\'static str { include_str!("data.txt") }'
    identity = kernel.submit("%%rust\n" + cell)
    kernel.while_running(identity, lambda: bool(kernel.running() & {"rustc", "cargo"}))
    (files / "data.txt").write_text("later")
    shown = kernel.result(identity)
    assert shown.status == "ok"
    built = kernel.value("racing()")
    assert built == "data"
    assert "A file that the cell names changed during the build" in shown.text
    kernel.rust(cell)
    assert kernel.value("racing()") == "later"


def test_exports_carry_them(kernel: Kernel, files: Path, tmp_path: Path) -> None:
    kernel.rust(CELL, "-m carrier")
    kernel.rust(
        "use carrier::twice;\nmod helper;\npub fn sixfold(x: i64) -> i64 { twice(x) + 2 * helper::twice(x) }",
        "-m sixfold",
    )
    kernel.run(f"%pyo3_wheel carrier sixfold --name both -o {tmp_path}")
    wheel = next(tmp_path.glob("*.whl"))
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = f"import both; print(({EXPRESSION.format('both.carrier.')}, both.sixfold.sixfold(1)))"
    assert run(tmp_path / "installed", code) == repr((*VALUES, 6))
    kernel.run(f"%pyo3_sdist carrier -o {tmp_path}")
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"data.txt", "up.txt", "src/data.txt", "src/helper.rs", "src/helper/inner.rs", "src/helper/two.txt"} <= names


@pytest.mark.parametrize("backend", ["maturin", "setuptools-rust"])
def test_an_exported_project_builds_elsewhere(backend: str, kernel: Kernel, files: Path, tmp_path: Path) -> None:
    kernel.rust(CELL, "-m carrier")
    kernel.rust(
        "use carrier::twice;\nmod helper;\npub fn sixfold(x: i64) -> i64 { twice(x) + 2 * helper::twice(x) }",
        "-m sixfold",
    )
    kernel.run(f"%pyo3_project {tmp_path / 'project'} carrier sixfold --name both --backend {backend}")
    manifest = tmp_path / "project" / "Cargo.toml"
    done = subprocess.run(
        ["cargo", "check", "--locked", "--offline", "--lib", "--manifest-path", manifest],
        env={**kernel._environment, "CARGO_TARGET_DIR": str(files.parent / "checked")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if backend == "setuptools-rust":
        listed = (tmp_path / "project" / "MANIFEST.in").read_text()
        assert "include src/carrier/data.txt" in listed
        assert "include data.txt" in listed


def test_two_files_with_one_place_in_an_export(kernel: Kernel, files: Path, tmp_path: Path) -> None:
    (files.parent / "README.md").write_text("of the folder")
    kernel.rust('pub fn read() -> &\'static str { include_str!("../README.md") }', "-m reader")
    shown = kernel.run(f"%pyo3_sdist reader -o {tmp_path}", expect="error")
    assert "names a file that would be README.md in the package, and another file has that place" in shown.text


def run(folder: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_a_notebook(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for text in ("data", "new"):
        (tmp_path / "here" / "data.txt").write_text(text)
        assert pyo3magic.build(CELL, store=store).load().text() == text
    (tmp_path / "here" / "cell.rs").write_text(CELL)
    monkeypatch.chdir(tmp_path)
    made = pyo3magic.build(file="here/cell.rs", store=store)
    assert made.load().twice(21) == 42
    wheel = pyo3magic.wheel(
        pyo3magic.build(file="here/cell.rs", module="filed", store=store), folder=tmp_path, store=store
    )
    zipfile.ZipFile(wheel.path).extractall(tmp_path / "installed")
    assert run(tmp_path / "installed", "import filed; print(filed.text(), filed.of_package())") == "new new"
