from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pyo3magic.errors import BuildError, OptionError, ToolchainError
from pyo3magic.export.build_target import make_build_target
from pyo3magic.export.install_wheel import install_wheel, installer
from pyo3magic.export.project import BACKENDS, Project, make_project
from pyo3magic.export.sdist import make_sdist
from pyo3magic.export.source_tree import Package, assemble_package
from pyo3magic.export.wheel import make_wheel

from .conftest import METADATA, Builder, Exporter, listed, pythons
from .test_wheel import LINUX, USE_GEOMETRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.environment.context import Context

pytestmark = pytest.mark.cargo


@pytest.fixture(scope="module")
def target(shared_target: Path) -> Any:
    """One cargo target folder for all projects, and no time spent on optimising pyo3."""
    quick = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_BENCH_OPT_LEVEL": "0"}
    return {"CARGO_TARGET_DIR": str(shared_target), "PYO3_PYTHON": sys.executable, **quick}


@pytest.fixture(scope="module")
def package(export: Exporter) -> Any:
    return export("geometry")


@pytest.fixture(scope="module", params=BACKENDS)
def project(
    request: pytest.FixtureRequest, context: Context, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    return make_project(context, package, tmp_path_factory.mktemp(request.param) / "project", backend=request.param)


@pytest.mark.slow
def test_pip_builds_the_project(
    project: Project, environment_of: Callable[..., Path], say: Callable[..., str], target: dict[str, str]
) -> None:
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", project.folder, **target)
    assert "site-packages" in say(python, "-c", USE_GEOMETRY)
    assert "OK" not in say(
        python, "-m", "unittest", "discover", "-s", project.folder / "tests", "-t", project.folder / "tests"
    )


@pytest.mark.slow
def test_build_makes_a_wheel_and_a_source_distribution(
    project: Project,
    context: Context,
    package: Package,
    say: Callable[..., str],
    target: dict[str, str],
    tmp_path: Path,
) -> None:
    say(sys.executable, "-m", "build", "--outdir", tmp_path, project.folder, **target)
    made = sorted(listed(tmp_path))
    assert len(made) == 2
    say(sys.executable, "-m", "twine", "check", "--strict", *(tmp_path / name for name in made))
    with zipfile.ZipFile(tmp_path / next(name for name in made if name.endswith(".whl"))) as archive:
        names = set(archive.namelist())
        assert {"geometry/__init__.py", "geometry/__init__.pyi", "geometry/py.typed"} <= names
        assert any(name.startswith("geometry/geometry.cp") for name in names)
        metadata = BytesParser().parsebytes(archive.read("geometry-1.2.dist-info/METADATA"))
        assert (metadata["License-Expression"], metadata["Author-email"]) == ("MIT", "Ada Lovelace <ada@example.org>")
        made_bill = json.loads(archive.read(BILL)) if BILL in names else None
    with tarfile.open(tmp_path / "geometry-1.2.tar.gz") as archive:
        assert "geometry-1.2/Cargo.lock" in archive.getnames()
    assert (made_bill is not None) == ("maturin" in (project.folder / "pyproject.toml").read_text(encoding="utf-8"))
    if made_bill is not None:
        with zipfile.ZipFile(make_wheel(context, package, tmp_path / "own", platform="linux").path) as archive:
            compare_bills(json.loads(archive.read(BILL)), made_bill)


BILL = "geometry-1.2.dist-info/sboms/geometry.cyclonedx.json"


def compare_bills(ours: Any, theirs: Any) -> None:
    """Maturin's has the crates of every target; what both have is the same but for what a build script alone needs."""
    known = {item["bom-ref"]: item for item in theirs["components"]}
    assert ours["specVersion"] == theirs["specVersion"]
    assert {"pyo3", "pyo3-ffi", "syn"} <= {item["name"] for item in ours["components"]}
    for item in ours["components"]:
        for key in ("name", "version", "hashes", "licenses", "purl", "description", "author", "externalReferences"):
            mine, other = item.get(key), known[item["bom-ref"]].get(key)
            if key == "externalReferences":  # maturin has the name of what is linked by `links` there, too
                mine, other = mine or [], [link for link in other or [] if link["type"] != "other"]
            assert mine == other, (item["name"], key)


@pytest.mark.slow
def test_cargo_tests_and_measures(project: Project, say: Callable[..., str], target: dict[str, str]) -> None:
    said = say("cargo", "test", "--locked", cwd=project.folder, **target)
    assert "test tests::doubles ... ok" in said
    say("cargo", "bench", "--no-run", "--locked", cwd=project.folder, **target)
    said = say("cargo", "bench", "--locked", "--bench", "profile", cwd=project.folder, **target)
    assert "double: " in said
    assert "ns a call" in said


@pytest.mark.slow
def test_maturin_develop(
    context: Context,
    package: Package,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
    target: dict[str, str],
    tmp_path: Path,
) -> None:
    project = make_project(context, package, tmp_path / "project")
    python = environment_of()
    maturin = Path(sys.executable).with_name("maturin")
    say(maturin, "develop", "--quiet", cwd=project.folder, VIRTUAL_ENV=str(python.parents[1]), **target)
    assert str(project.folder) in say(python, "-c", USE_GEOMETRY)


@pytest.mark.slow
def test_pyroma_likes_the_project(project: Project, say: Callable[..., str]) -> None:
    rating = say(sys.executable, "-m", "pyroma", "--min", "9", project.folder)
    assert "Final rating" in rating


@pytest.mark.slow
def test_several_modules_make_a_project(
    context: Context,
    export: Exporter,
    say: Callable[..., str],
    target: dict[str, str],
    tmp_path: Path,
    environment_of: Callable[..., Path],
) -> None:
    import dataclasses

    found = export("geometry", "measures", options=dataclasses.replace(METADATA, name="shapes"), abi3=(3, 10))
    project = make_project(context, found, tmp_path / "p", backend="setuptools-rust")
    assert (project.folder / "python/shapes/measures.pyi").is_file()
    say(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        tmp_path / "w",
        project.folder,
        **target,
    )
    assert [name[:21] for name in listed(tmp_path / "w")] == ["shapes-1.2-cp310-abi3"]
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", tmp_path / "w" / listed(tmp_path / "w")[0])
    say(
        python,
        "-c",
        "from shapes.measures import middle; from shapes.geometry import Point; middle(Point(1.0), Point(2.0))",
    )
    say("cargo", "bench", "--locked", "--bench", "profile", cwd=project.folder, **target)


def test_what_a_project_has(project: Project) -> None:
    names = set(project.files)
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE", ".gitignore", "src/lib.rs"} <= names
    assert {"tests/test_module.py", "benches/Cargo.toml", "benches/profile.rs"} <= names
    assert any(name.startswith(".github/workflows/") for name in names)
    text = (project.folder / "Cargo.toml").read_text(encoding="utf-8")
    assert "build-dependencies" not in text
    assert 'crate-type = ["rlib", "cdylib"]' in text
    assert (
        "pyo3magic"
        not in text + (project.folder / "Cargo.lock").read_text() + (project.folder / "src/lib.rs").read_text()
    )
    assert "default-features = false" in (project.folder / "benches/Cargo.toml").read_text(encoding="utf-8")
    if "MANIFEST.in" in names:
        assert os.access(project.folder / "build-wheels.sh", os.X_OK)


def test_workflows_follow_githubs_schema(project: Project, say: Callable[..., str]) -> None:
    if find_spec("check_jsonschema") is None and os.environ.get("CI") != "true":
        pytest.skip("check-jsonschema is not installed")
    path = project.folder / workflow_of(project)
    say(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def workflow_of(project: Project) -> str:
    return next(name for name in project.files if name.startswith(".github/workflows/"))


@pytest.mark.slow
def test_commands_of_the_workflow_run(
    project: Project, environment_of: Callable[..., Path], say: Callable[..., str], tmp_path: Path
) -> None:
    """The steps that are commands; the others are GitHub's, and nothing here runs them."""
    jobs = yaml.safe_load((project.folder / workflow_of(project)).read_text(encoding="utf-8"))["jobs"]
    assert set(jobs) == {"wheels", "sdist", "publish"}
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert bool(commands) == (workflow_of(project) == ".github/workflows/cibuildwheel.yml")
    python = environment_of()
    shutil.copytree(project.folder, tmp_path / "checkout")
    for command in commands:
        say("bash", "-ec", command, cwd=tmp_path / "checkout", PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    assert not commands or listed(tmp_path / "checkout" / "dist") == ["geometry-1.2.tar.gz"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@LINUX
def test_build_wheels_makes_wheels_of_the_pythons_it_is_given(
    context: Context,
    package: Package,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
    target: dict[str, str],
    tmp_path: Path,
) -> None:
    """As in a container of glibc 2.17, for which zig links here."""
    folder = make_project(context, package, tmp_path / "project", backend="setuptools-rust").folder
    versions = [version for version in sorted(pythons()) if version >= sys.version_info[:2]]
    chosen = [
        version for version in sorted(pythons()) if version in {versions[0], versions[-1]} or version < versions[0]
    ]
    machine = context.interpreter.machine
    zig = make_build_target(context, glibc=(2, 17)).context.environ
    linker = f"CARGO_TARGET_{context.toolchain.host.upper().replace('-', '_')}_LINKER"
    settings = {
        "AUDITWHEEL_PLAT": f"manylinux_2_17_{machine}",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        **{name: value for name, value in target.items() if name != "PYO3_PYTHON"},
        linker: zig[linker],
    }
    said = say(folder / "build-wheels.sh", *(pythons()[version] for version in chosen), **settings)
    assert said.count("skipping") == sum(version < versions[0] for version in chosen)
    made = {f"cp{major}{minor}": (major, minor) for major, minor in chosen if (major, minor) >= versions[0]}
    wheels = {path.name.split("-")[2]: path for path in (folder / "wheelhouse").iterdir()}
    assert set(wheels) == set(made)
    for tag, path in wheels.items():
        shown = json.loads(say(sys.executable, "-m", "auditwheel", "show", "--json", path))
        assert shown["overall_tag"] in {f"manylinux_2_{minor}_{machine}" for minor in (5, 12, 17)}
        python = environment_of(made[tag])
        say(python, "-m", "pip", "install", "--quiet", path)
        assert "site-packages" in say(python, "-c", USE_GEOMETRY)
    assert not (folder / "target").exists()


def test_build_wheels_says_what_it_needs(context: Context, package: Package, tmp_path: Path) -> None:
    folder = make_project(context, package, tmp_path / "project", backend="setuptools-rust").folder
    if Path("/opt/python").exists():
        pytest.skip("this is a manylinux container")
    done = subprocess.run([folder / "build-wheels.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "name Pythons as arguments" in done.stderr


def test_a_project_is_not_written_over(context: Context, package: Package, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    make_project(context, package, folder)
    make_project(context, package, folder)
    (folder / "src" / "lib.rs").write_text("// mine\n")
    with pytest.raises(OptionError, match="--force"):
        make_project(context, package, folder)
    assert (folder / "src" / "lib.rs").read_text() == "// mine\n"
    make_project(context, package, folder, force=True)
    assert "mine" not in (folder / "src" / "lib.rs").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_distribution_builds_without_the_notebook(
    context: Context,
    package: Package,
    backend: Any,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
    target: dict[str, str],
    tmp_path: Path,
) -> None:
    path = make_sdist(context, package, tmp_path, backend=backend)
    assert path.name == "geometry-1.2.tar.gz"
    say(sys.executable, "-m", "twine", "check", "--strict", path)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        member = archive.extractfile("geometry-1.2/PKG-INFO")
        assert member is not None
        facts = BytesParser().parsebytes(member.read())
    assert {"geometry-1.2/pyproject.toml", "geometry-1.2/Cargo.lock", "geometry-1.2/src/lib.rs"} <= set(names)
    assert facts["Metadata-Version"] == "2.4"
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", path, **target)
    assert "site-packages" in say(python, "-c", USE_GEOMETRY)


def test_two_source_distributions_are_the_same_bytes(context: Context, package: Package, tmp_path: Path) -> None:
    first = make_sdist(context, package, tmp_path / "a").read_bytes()
    assert make_sdist(context, package, tmp_path / "b").read_bytes() == first
    assert make_sdist(context, package, tmp_path / "b").read_bytes() == first


def test_a_source_distribution_cannot_have_path_dependencies(context: Context, built: Builder, tmp_path: Path) -> None:
    (tmp_path / "near" / "src").mkdir(parents=True)
    (tmp_path / "near" / "src" / "lib.rs").write_text("pub fn one() -> i64 { 1 }\n")
    (tmp_path / "near" / "Cargo.toml").write_text('[package]\nname = "near"\nversion = "0.1.0"\nedition = "2021"\n')
    source = f'---\n[dependencies]\nnear = {{ path = "{tmp_path}/near" }}\n---\npub fn f() -> i64 {{ near::one() }}\n'
    package = assemble_package(context, (built(source, "pathy"),), options=METADATA, available={})
    assert make_wheel(context, package, tmp_path, platform="linux").path.is_file()
    with pytest.raises(OptionError, match="by its path"):
        make_sdist(context, package, tmp_path)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_install(
    context: Context,
    export: Exporter,
    tmp_path: Path,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
    outside: dict[str, str],
    tool: Any,
) -> None:
    wheel = make_wheel(context, export("geometry"), tmp_path, platform="linux")
    python = environment_of()
    if tool == "uv":
        say(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip")
    outside = {**outside, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}
    assert ("uv" in installer(str(python), outside)[0]) == (tool == "uv")
    install_wheel(wheel.path, outside, python=str(python))
    install_wheel(wheel.path, outside, python=str(python))
    assert "site-packages" in say(python, "-c", USE_GEOMETRY)
    if tool == "uv":
        with pytest.raises(ToolchainError, match="neither is installed"):
            installer(str(python), {"PATH": ""})


def test_a_wheel_that_does_not_fit(
    environment_of: Callable[..., Path], tmp_path: Path, outside: dict[str, str]
) -> None:
    wheel = tmp_path / "x-1.0-cp27-cp27m-win32.whl"
    wheel.write_bytes(b"")
    with pytest.raises(BuildError, match="cannot be installed"):
        install_wheel(wheel, outside, python=str(environment_of()))
