"""``pyo3magic.build`` and the steps behind it, without IPython: `pipeline` and `build`."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyo3magic
from pyo3magic import errors
from pyo3magic.errors import CellError, CompileError, DependencyError, ManifestError, OptionError, PyO3MagicError

if TYPE_CHECKING:
    from pyo3magic.environment.build_options import Event

pytestmark = pytest.mark.cargo


def test_public_names_are_listed_and_importing_them_is_late() -> None:
    code = (
        "import sys, pyo3magic\n"
        "assert not {name for name in sys.modules if name.startswith('pyo3magic.')} - {'pyo3magic._version'}\n"
        "assert dir(pyo3magic) == sorted(pyo3magic.__all__)\n"
        "print([name for name in pyo3magic.__all__ if getattr(pyo3magic, name, None) is None])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_errors_are_public_by_name() -> None:
    kinds = {name for name in errors.__all__ if issubclass(getattr(errors, name), PyO3MagicError)}
    assert kinds <= set(pyo3magic.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        pyo3magic.bild  # noqa: B018


def test_a_file_is_built_with_what_it_names(store: Path, tmp_path: Path) -> None:
    (tmp_path / "helper.rs").write_text("pub fn seven() -> i32 { 7 }")
    (tmp_path / "main_part.rs").write_text("mod helper;\npub fn number() -> i32 { helper::seven() }")
    made = pyo3magic.build(file=tmp_path / "main_part.rs", store=store)
    assert made.load().number() == 7
    with pytest.raises(OptionError, match="either the source or a file"):
        pyo3magic.build()
    with pytest.raises(OptionError, match="either the source or a file"):
        pyo3magic.build("pub fn f() {}", file="x.rs")


def test_a_panic_says_its_place_and_does_not_hang_a_pool(store: Path) -> None:
    made = pyo3magic.build('pub fn falls() {\n    panic!("down")\n}', store=store).load()
    with pytest.raises(BaseException, match="down") as caught:
        made.falls()
    assert not isinstance(caught.value, Exception)
    with (
        ThreadPool(1) as pool,
        pytest.raises(RuntimeError, match=r"down\nThe Rust code panicked in src/lib.rs, line 3, "),
    ):
        pool.apply_async(made.falls).get(20)


def test_a_build_uses_earlier_ones(store: Path) -> None:
    point = pyo3magic.build(
        "#[pyclass(get_all, from_py_object)]\n#[derive(Clone)]\npub struct Spot { pub x: i32 }\n"
        "#[pymethods]\nimpl Spot { #[new] fn new(x: i32) -> Self { Spot { x } } }",
        module="spots",
        store=store,
    )
    user = pyo3magic.build(
        "use spots::Spot;\n#[pyfunction]\nfn moved(spot: Spot) -> Spot { Spot { x: spot.x + 1 } }",
        cells=[point],
        store=store,
    )
    assert user.load().moved(point.load().Spot(1)).x == 2
    assert type(user.load().moved(point.load().Spot(1))) is point.load().Spot
    with pytest.raises(OptionError, match="has no name by which"):
        pyo3magic.build("pub fn f() {}", cells=[user], store=store)


def test_what_a_build_tells(store: Path) -> None:
    made = pyo3magic.build("pub fn told() { let unused = 1; }", store=store)
    assert "unused variable" in made.diagnostics[0].message
    assert made.seconds > 0
    assert (made.crate / "Cargo.toml").is_file()
    assert pyo3magic.build("pub fn told() { let unused = 1; }", store=store).from_store


def test_settings_of_the_environment_are_in_force(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYO3MAGIC_PYO3", "=99.0.0")
    monkeypatch.setenv("PYO3MAGIC_OFFLINE", "1")
    with pytest.raises(DependencyError):
        pyo3magic.build("pub fn f() {}", store=store)
    monkeypatch.delenv("PYO3MAGIC_PYO3")
    monkeypatch.setenv("PYO3MAGIC_EDITION", "2018")
    made = pyo3magic.build("pub fn f() {}", store=store)
    assert 'edition = "2018"' in (made.crate / "Cargo.toml").read_text()


def test_a_module_is_built_loaded_and_found_again(store: Path) -> None:
    events: list[Event] = []
    source = "/// Twice x.\npub fn double(x: i64) -> i64 { 2 * x }"
    made = pyo3magic.build(source, module="doubling", store=store, report=events.append)
    module = made.load()
    assert module.double(21) == 42
    assert module.double.__doc__ == "Twice x."
    assert made.load() is module
    assert made.module == "doubling"
    assert made.path.is_relative_to(store / "artifacts")
    assert repr(made) == f"Build('doubling', {str(made.path)!r})"
    events.clear()
    again = pyo3magic.build(source, module="doubling", store=store, report=events.append)
    assert again.path == made.path
    assert events == []


def test_nothing_is_started_for_what_is_in_the_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "pub fn stored() -> i32 { 1 }"
    made = pyo3magic.build(source, store=store)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert pyo3magic.build(source, store=store).path == made.path


def test_an_edit_starts_rustc_and_not_cargo(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyo3magic.build("pub fn number() -> i32 { 1 }", store=store)
    started: list[str] = []
    popen = subprocess.Popen

    def note(command: list[str], *more: object, **options: object) -> object:
        started.append(Path(command[0]).stem)
        return popen(command, *more, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", note)
    assert pyo3magic.build("pub fn number() -> i32 { 2 }", store=store).load().number() == 2
    assert started == ["rustc"]
    started.clear()
    assert pyo3magic.build("pub fn number() -> i32 { 2 }", store=store, force=True).load().number() == 2
    assert "rustc" not in started
    assert started


def test_a_damaged_module_is_built_again(store: Path) -> None:
    source = "pub fn damaged() -> i32 { 3 }"
    path = pyo3magic.build(source, store=store).path
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    again = pyo3magic.build(source, store=store)
    assert again.path == path
    assert again.load().damaged() == 3


def test_included_files_and_variables_are_inputs(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "data.txt"
    source = f'pub fn text() -> &\'static str {{ concat!(include_str!("{file.as_posix()}"), env!("OF_THE_TEST")) }}'

    def text(content: str, variable: str) -> str:
        file.write_text(content)
        monkeypatch.setenv("OF_THE_TEST", variable)
        return str(pyo3magic.build(source, store=store).load().text())

    assert [text("a", "1"), text("b", "1"), text("b", "2"), text("a", "1")] == ["a1", "b1", "b2", "a1"]


@pytest.mark.parametrize("debug", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_profiles_are_kept_apart(store: Path, debug: bool) -> None:
    module = pyo3magic.build("pub fn checked() -> bool { cfg!(debug_assertions) }", store=store, debug=debug).load()
    assert module.checked() is debug


@pytest.mark.parametrize(
    ("source", "options", "kind", "said"),
    [
        ("", {}, CellError, "The cell is empty"),
        ("// nothing", {}, CellError, "no Rust in it"),
        ("---\nx = \n---\nfn f() {}", {}, ManifestError, "not valid TOML"),
        ("pub fn f() {}", {"module": "class"}, CellError, "cannot be a module's name"),
        ("pub fn f() {}", {"edition": "1999"}, CellError, "no Rust edition"),
        ("pub fn f() {}", {"dependencies": ["a@"]}, ManifestError, "no version after"),
        ("#[pymodule] mod one {}", {"module": "two"}, CellError, "defines the module 'one'"),
        ('pub fn f() { let x: i32 = "a"; }', {}, CompileError, "mismatched types"),
        ("pub fn f( {}", {}, CompileError, ""),
        (
            "---\n[dependencies]\nmine = { path = '/nonexistent' }\n---\npub fn f() {}",
            {},
            ManifestError,
            "has no Cargo.toml",
        ),
        ("pub fn f() {}", {"pyo3": "=99.0.0", "offline": True}, DependencyError, ""),
    ],
)
def test_errors_have_their_kind(
    store: Path, source: str, options: dict[str, object], kind: type[PyO3MagicError], said: str
) -> None:
    with pytest.raises(PyO3MagicError) as caught:
        pyo3magic.build(source, store=store, **options)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert said in caught.value.message
    assert list((store / "tmp").glob("*")) == [] or "PYTEST_XDIST_WORKER" in os.environ


def test_a_compile_error_names_the_cells_line(store: Path) -> None:
    with pytest.raises(CompileError) as caught:
        pyo3magic.build("pub fn f() {\n    let x: i32 = true;\n}", store=store)
    spans = [span for item in caught.value.diagnostics for span in item.spans if span.in_cell and span.is_primary]
    assert spans[0].line == 3  # the first line is %%rust


def test_warnings_are_kept_with_the_module(store: Path) -> None:
    source = "pub fn f() { let unused = 1; }"
    for _ in range(2):
        found = pyo3magic.build(source, store=store).artifact.diagnostics
        assert ["unused variable" in item["message"] for item in found] == [True]


def test_an_interrupt_leaves_nothing_and_the_next_build_works(store: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.kind == "compiling":
            raise KeyboardInterrupt

    source = "pub fn interrupted() -> i32 { 4 }"
    with pytest.raises(KeyboardInterrupt):
        pyo3magic.build(source, store=store, report=interrupt)
    assert pyo3magic.build(source, store=store).load().interrupted() == 4


def test_a_wheel_is_made_without_ipython(store: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    program = f"""
import sys, zipfile
import pyo3magic
dots = pyo3magic.build("pub fn dot() -> i32 {{ 3 }}", module="dots", store={str(store)!r})
lines = pyo3magic.build("use dots::dot;\\npub fn line() -> i32 {{ 2 * dot() }}", module="lines_of_dots", cells=[dots],
    store={str(store)!r})
made = pyo3magic.wheel(lines, folder="new/dist", version="1.2", abi3="3.9", stubs=False, store={str(store)!r})
assert "IPython" not in sys.modules and isinstance(made, pyo3magic.Wheel)
print(made.path.as_posix())
print(made.tag.abi, made.size == made.path.stat().st_size)
sys.modules.pop("lines_of_dots", None)
sys.path.insert(0, str(made.path.absolute()) + ".d")
zipfile.ZipFile(made.path).extractall(sys.path[0])
import lines_of_dots
print(lines_of_dots.__file__.endswith("lines_of_dots/__init__.py"), lines_of_dots.line(), lines_of_dots.dots.dot())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    path, tag, imported = done.stdout.splitlines()
    assert path.startswith("new/dist/lines_of_dots-1.2-cp39-abi3-manylinux")
    assert tag == "abi3 True"
    assert imported == "True 6 3"


def test_a_wheel_of_nothing_or_with_a_wrong_option_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no build to export"):
        pyo3magic.wheel(folder=tmp_path)
    made = pyo3magic.build("pub fn refused() {}", module="refused_one", store=store)
    with pytest.raises(OptionError, match="not a Python version"):
        pyo3magic.wheel(made, folder=tmp_path, abi3="three", store=store)
    assert list(tmp_path.iterdir()) == []
