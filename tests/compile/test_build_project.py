"""Existing cargo projects, built by cargo as they are."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.compile.project_mirror import make_mirror
from pyo3magic.crate.cargo_project import local_folders, read_project
from pyo3magic.crate.existing_rust import bring
from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.errors import CellError, CompileError, ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.session import Outcome, Session

_PYO3 = 'pyo3 = "0.30"'
_LIB = """
#[pyo3::pymodule]
mod {name} {{
    #[pyo3::pyfunction]
    fn answer() -> i64 {{ {body} }}
}}
"""


def package(folder: Path, name: str, *, manifest: str = "", lib: str = "", cdylib: bool = True) -> None:
    (folder / "src").mkdir(parents=True, exist_ok=True)
    kind = '[lib]\ncrate-type = ["cdylib"]\n' if cdylib else ""
    head = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n\n{kind}\n'
    (folder / "Cargo.toml").write_text(head + (manifest or f"[dependencies]\n{_PYO3}\n"))
    (folder / "src" / "lib.rs").write_text(lib or _LIB.format(name=name, body="42"))


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_settings_of_maturin_are_read(tmp_path: Path) -> None:
    package(tmp_path / "rust", "native")
    (tmp_path / "py" / "pack").mkdir(parents=True)
    (tmp_path / "py" / "pack" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\nmodule-name = "pack._native"\nfeatures = ["fast"]\n'
        'no-default-features = true\nprofile = "dist"\nbindings = "pyo3"\npython-source = "py"\n'
    )
    project = read_project(tmp_path)
    assert (project.manifest, project.module, project.library) == (
        tmp_path / "rust" / "Cargo.toml",
        "_native",
        "native",
    )
    assert project.python == str(tmp_path / "py" / "pack")
    assert project.profile == "dist"
    assert project.arguments(("more", "fast")) == ["--no-default-features", "--features", "fast,more"]


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        ({}, CellError, "has no Cargo.toml"),
        (
            {"Cargo.toml": "[package]\nname = 'p'\n", "src/main.rs": ""},
            CellError,
            "no library (src/lib.rs), only programs",
        ),
        ({"Cargo.toml": "[package"}, ManifestError, "cannot be read"),
        ({"Cargo.toml": "", "pyproject.toml": "[tool.maturin]\nbindings = 'cffi'"}, CellError, "bindings = 'cffi'"),
        (
            {
                "Cargo.toml": "[workspace]\nmembers = ['a', 'b']",
                "a/Cargo.toml": "[package]\nname = 'a'",
                "b/Cargo.toml": "[package]\nname = 'b'",
            },
            CellError,
            "a workspace of several packages: a, b",
        ),
    ],
)
def test_what_is_no_project(files: dict[str, str], kind: type[CellError], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(kind) as caught:
        read_project(tmp_path)
    assert message in caught.value.message


def test_a_mirror_has_its_own_lock_file(tmp_path: Path) -> None:
    project, other, mirror = tmp_path / "up" / "project", tmp_path / "other", tmp_path / "mirror"
    package(project, "one", manifest='[dependencies]\nother = { path = "../../other" }\n')
    package(other, "other", cdylib=False)
    (project / "target").mkdir()
    (project / "Cargo.lock").write_text("theirs")
    before = everything(project)
    folders = local_folders(project / "Cargo.toml", project)
    assert set(folders) == {project, other}
    for _ in range(2):
        here = make_mirror(mirror, project, folders)
        assert here == mirror / "up" / "project"
        assert (here / "src" / "lib.rs").samefile(project / "src" / "lib.rs")
        assert (here / ".." / ".." / "other" / "Cargo.toml").resolve() == other / "Cargo.toml"
        assert not (here / "target").exists()
    (here / "Cargo.lock").write_text("brought up to date by cargo")
    make_mirror(mirror, project, folders)
    assert (here / "Cargo.lock").read_text() == "brought up to date by cargo"
    (project / "Cargo.lock").write_text("their new one")
    (project / "src" / "lib.rs").rename(project / "lib.rs")
    make_mirror(mirror, project, folders)
    assert (here / "Cargo.lock").read_text() == "their new one"
    assert (here / "lib.rs").is_file()
    assert before.keys() - everything(project).keys() == {str(project / "src" / "lib.rs")}


@pytest.fixture
def session(store: Path) -> Session:
    from pyo3magic.session import Session
    from pyo3magic.store import Store

    return Session(Store(store))


def run(session: Session, folder: Path, *, force: bool = False, **options: object) -> Outcome:
    brought = bring(Options(**options), None, label="In[1]", crate=str(folder))  # type: ignore[arg-type]
    return session.run(brought.options, brought.body, BuildOptions(force=force), label=brought.label)


@pytest.mark.cargo
@pytest.mark.slow
def test_a_project_is_built_as_it_is(session: Session, tmp_path: Path) -> None:
    root = tmp_path / "work"
    (root / "crates").mkdir(parents=True)
    (root / "Cargo.toml").write_text(
        f'[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n[workspace.dependencies]\n{_PYO3}\nhelp = {{ path = "crates/help" }}\n'
    )
    package(
        root / "crates" / "module",
        "built_as_is",
        manifest='[features]\nmore = []\n[dependencies]\npyo3.workspace = true\nhelp.workspace = true\nfar = { path = "../../../far" }\n',
        lib=_LIB.format(
            name="built_as_is",
            body='help::one() + far::two() + env!("FROM_BUILD").len() as i64 + cfg!(feature = "more") as i64',
        ),
    )
    package(root / "crates" / "help", "help", manifest=" ", lib="pub fn one() -> i64 { 1 }", cdylib=False)
    package(tmp_path / "far", "far", manifest=" ", lib="pub fn two() -> i64 { 2 }", cdylib=False)
    module = root / "crates" / "module"
    (module / "build.rs").write_text('fn main() { println!("cargo:rustc-env=FROM_BUILD=abc"); }')
    before = everything(tmp_path)

    first = run(session, module)
    assert first.module.module.answer() == 6
    assert (first.name, first.module.names, first.from_store) == ("built_as_is", ("answer",), False)
    assert everything(tmp_path) == before, "nothing is written into the project"
    assert run(session, module).from_store
    more = run(session, module, features=("more",))
    assert more.module.module.answer() == 7
    (tmp_path / "far" / "src" / "lib.rs").write_text("pub fn two() -> i64 { 20 }")
    changed = run(session, module)
    assert not changed.from_store
    assert changed.module.module.answer() == 24

    (module / "src" / "lib.rs").write_text('\n\nfn wrong() -> i64 { "text" }\n')
    with pytest.raises(CompileError) as caught:
        run(session, module)
    (span,) = (span for span in caught.value.diagnostics[0].spans if span.is_primary)
    assert span.line == 3
    assert f"{module}/src/lib.rs:3:21" in caught.value.diagnostics[0].rendered
    (module / "src" / "lib.rs").write_text("pub fn plain() {}\n")
    with pytest.raises(Exception, match=r"no #\[pymodule\]"):
        run(session, module)


@pytest.mark.cargo
@pytest.mark.slow
def test_an_older_pyo3_and_everything_that_maturin_reads(session: Session, tmp_path: Path) -> None:
    """Each setting decides one digit of the answer."""
    ones = (
        'cfg!(feature = "fast") as i64 + 10 * cfg!(not(feature = "slow")) as i64 + 100 * cfg!(from_rustc_args) as i64'
        ' + 1000 * cfg!(debug_assertions) as i64 + 10000 * (env!("FROM_CONFIG") == "set") as i64'
    )
    package(
        tmp_path / "core",
        "settings-core",
        manifest=f'[features]\nfast = []\nslow = []\ndefault = ["slow"]\n[dependencies]\n{_PYO3.replace("0.30", "0.25")}\n'
        '[profile.dist]\ninherits = "release"\ndebug-assertions = true\n',
        lib="#![allow(unexpected_cfgs)]" + _LIB.format(name="_core", body=ones),
    )
    (tmp_path / "py" / "pack").mkdir(parents=True)
    (tmp_path / "py" / "pack" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n[tool.maturin]\n'
        'manifest-path = "core/Cargo.toml"\nmodule-name = "pack._core"\nfeatures = ["fast"]\n'
        'no-default-features = true\nprofile = "dist"\npython-source = "py"\nrustc-args = ["--cfg=from_rustc_args"]\n'
        "config = ['env.FROM_CONFIG=\"set\"']\n"
    )
    outcome = run(session, tmp_path)
    assert (outcome.name, outcome.module.module.answer()) == ("_core", 11111)
    assert "Python files in" in outcome.artifact.notes[0]
    assert b"libpython" not in outcome.artifact.file.read_bytes(), "a module is not linked with libpython"
    debug = run(session, tmp_path, debug=True)
    assert debug.module.module.answer() == 11111


@pytest.mark.cargo
@pytest.mark.slow
def test_copies_of_a_project_are_not_taken_for_each_other(session: Session, tmp_path: Path) -> None:
    """cargo tells packages of workspaces apart by name and by the times of their files only."""
    for name in ("one", "two"):
        package(
            tmp_path / name,
            "copied",
            manifest=f'[workspace]\n[dependencies]\n{_PYO3}\nhelp_copied = {{ path = "help" }}\n',
            lib=_LIB.format(name="copied", body="help_copied::which()"),
        )
        which = f"pub fn which() -> i64 {{ {len(name) + (name == 'two')} }}"
        package(tmp_path / name / "help", "help_copied", manifest=" ", lib=which, cdylib=False)
    for name, answer in (("one", 3), ("two", 4), ("one", 3)):
        assert run(session, tmp_path / name, force=True).module.module.answer() == answer


@pytest.mark.cargo
@pytest.mark.slow
def test_an_unchanged_project_starts_no_process(session: Session, store: Path, tmp_path: Path) -> None:
    package(tmp_path / "quiet", "quiet_project")
    run(session, tmp_path / "quiet")
    program = (
        "import sys, subprocess, os\n"
        "sys.addaudithook(lambda event, args: event in ('subprocess.Popen', 'os.posix_spawn', 'os.fork', 'os.exec')"
        " and os._exit(9))\n"
        "from pathlib import Path\n"
        "from pyo3magic.cell import Options\nfrom pyo3magic.crate.existing_rust import bring\n"
        "from pyo3magic.session import Session\nfrom pyo3magic.store import Store\n"
        f"brought = bring(Options(), None, label='', crate={str(tmp_path / 'quiet')!r})\n"
        f"outcome = Session(Store(Path({str(store)!r}))).run(brought.options, '', label='')\n"
        "assert outcome.from_store and outcome.module.module.answer() == 42\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.cargo
@pytest.mark.slow
def test_a_file_is_a_cell(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "shapes.rs"
    (tmp_path / "sizes.rs").write_text("pub fn side() -> i64 { 3 }\n")
    (tmp_path / "note.txt").write_text("one")
    path.write_text(
        "mod sizes;\n#[pyfunction]\nfn area() -> i64 { sizes::side().pow(2) }\n"
        '#[pyfunction]\nfn note() -> &\'static str { include_str!("note.txt") }\n'
        '#[pyfunction]\nfn boom() { panic!("no") }\n'
    )

    def build() -> Outcome:
        brought = bring(Options(), None, label="In[1]", file="shapes.rs")
        return session.run(brought.options, brought.body, label=brought.label)

    first = build()
    assert (first.module.module.area(), first.module.module.note()) == (9, "one")
    assert build().from_store
    with pytest.raises(BaseException, match="no") as panicked:
        first.module.module.boom()
    said = "\n".join([*getattr(panicked.value, "__notes__", ()), str(panicked.value)])
    assert "shapes.rs, line 7" in said
    (tmp_path / "note.txt").write_text("two")
    second = build()
    assert (second.from_store, second.module.module.note()) == (False, "two")
    (tmp_path / "sizes.rs").write_text("\npub fn side() -> i64 { nothing }\n")
    with pytest.raises(CompileError) as caught:
        build()
    assert "sizes.rs:2:24" in caught.value.diagnostics[0].rendered
    assert "src/sizes.rs" not in caught.value.diagnostics[0].rendered
    path.write_text("\n\n\npub fn f() -> i64 { true }\n")
    with pytest.raises(CompileError) as caught:
        build()
    assert (caught.value.diagnostics[0].spans[0].line, "src/lib.rs:4:21" in caught.value.diagnostics[0].rendered) == (
        4,
        True,
    )


@pytest.mark.cargo
@pytest.mark.slow
def test_a_file_that_changes_while_it_is_built(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "moving.rs"
    path.write_text("pub fn which() -> i64 { 1 }\n")
    brought = bring(Options(), None, label="In[1]", file="moving.rs")
    path.write_text("pub fn which() -> i64 { 2 }\n")
    outcome = session.run(brought.options, brought.body, label=brought.label)
    assert outcome.module.module.which() == 1
    assert "changed during the build" in outcome.notes[0]
