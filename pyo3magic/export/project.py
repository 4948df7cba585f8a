"""Writes a project that a Rust developer can take over: crate, Python package, tests, benchmarks and workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyo3magic.crate import Manifest

from .lock_file import complete_lock
from .metadata_rules import oldest_python
from .project_manifest import tables
from .rust_source import module_item
from .rust_syntax import sample_calls
from .templates import render
from .type_stubs import complete_package
from .write_files import check_project_folder, place_tree

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.context import Context

    from .source_tree import Package

__all__ = ["BACKENDS", "Backend", "Project", "make_project", "source_files"]

Backend = Literal["maturin", "setuptools-rust"]
BACKENDS: tuple[Backend, ...] = ("maturin", "setuptools-rust")
"""The build backends of exported projects."""

_ATTACH = (0, 26)  # `Python::attach` was `Python::with_gil` before


@dataclass(frozen=True, slots=True)
class Project:
    """A written project.

    Attributes:
        folder: the project's directory.
        files: relative paths of all files of the project.
    """

    folder: Path
    files: tuple[str, ...]


def make_project(
    context: Context,
    package: Package,
    folder: Path,
    *,
    backend: Backend = "maturin",
    stubs: bool = True,
    force: bool = False,
) -> Project:
    """Write a project. The folder is checked before cargo is started.

    Args:
        context: where and with what to build the type stubs and to complete the lock file.
        package: the package to export.
        folder: the project's directory.
        backend: the project's build backend.
        stubs: whether to make type stubs.
        force: write over existing files with different content.

    Raises:
        OptionError: the directory has different content, or cannot be written.
        DependencyError: cargo cannot complete the lock file.
        CompileError: the compiler refuses the exported code.
        BuildError: the build for the type stubs failed otherwise.
    """
    check_project_folder(folder, marker="" if force else "Cargo.toml")
    package = complete_package(context, package, stubs=stubs)
    texts = {**source_files(package, backend), **_project_files(package, backend)}
    manifest = Manifest(texts["Cargo.toml"], package.manifest.package, package.manifest.library)
    texts["Cargo.toml"] = _workspace_manifest(manifest.text)
    with context.store.workspace() as workspace:
        for name, text in texts.items():
            path = workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        texts["Cargo.lock"] = complete_lock(context, workspace)
    files = {name: text.encode() for name, text in sorted(texts.items())}
    files |= package.attached_files(files)
    place_tree(folder, files, force=force, executable=frozenset({"build-wheels.sh"}))
    return Project(folder, tuple(files))


def source_files(package: Package, backend: Backend) -> dict[str, str]:
    """Relative path and text of each file that a build of the package needs, as in a source distribution."""
    metadata = package.metadata
    readme = {"text/markdown": "README.md", "text/x-rst": "README.rst", "text/plain": "README.txt"}[
        metadata.readme_type
    ]
    manifest = package.manifest.text.replace('readme = "README.md"', f'readme = "{readme}"')
    files = {
        "Cargo.toml": manifest,
        "Cargo.lock": package.lock,
        "pyproject.toml": _pyproject(package, backend, readme),
        readme: metadata.readme,
        **dict(metadata.license_files),
        **package.rust_files(),
        **{f"python/{package.module}/{name}": text for name, text in package.python_files().items()},
    }
    if backend == "setuptools-rust":
        listed = (f"include {name}\n" for name in sorted(package.attached_files()) if not name.endswith(".rs"))
        files["MANIFEST.in"] = render("project/MANIFEST.in") + "".join(listed)
    return files


def _pyproject(package: Package, backend: Backend, readme: str) -> str:
    import tomlkit

    metadata = package.metadata
    project: dict[str, Any] = {
        "name": metadata.name,
        "version": metadata.version,
        "description": metadata.summary,
        "readme": readme,
        "requires-python": metadata.requires_python,
        "license": metadata.license,
        "license-files": [name for name, _ in metadata.license_files],
        "authors": [_author(name, email) for name, email in metadata.authors],
        "keywords": list(metadata.keywords),
        "classifiers": list(metadata.classifiers),
        "dependencies": list(metadata.dependencies),
        "urls": dict(metadata.urls),
    }
    document: dict[str, Any] = {"project": {key: value for key, value in project.items() if value}}
    name = f"{package.module}.{package.module}"
    if backend == "maturin":
        build = {"requires": ["maturin>=1.9.4,<2.0"], "build-backend": "maturin"}
        tool: dict[str, Any] = {"maturin": {"module-name": name, "python-source": "python", "strip": True}}
    else:
        build = {"requires": ["setuptools>=77", "setuptools-rust>=1.11"], "build-backend": "setuptools.build_meta"}
        extension: dict[str, Any] = {"target": name, "path": "Cargo.toml", "binding": "PyO3", "strip": "All"}
        tool = {
            "setuptools": {
                "packages": {"find": {"where": ["python"]}},
                "package-data": {package.module: ["py.typed", "*.pyi", "**/*.pyi"]},
            },
            "setuptools-rust": {"ext-modules": [extension]},
        }
        if package.abi3 is not None:
            extension["py-limited-api"] = "auto"
            tool["distutils"] = {"bdist_wheel": {"py-limited-api": f"cp{package.abi3[0]}{package.abi3[1]}"}}
    return tomlkit.dumps({"build-system": build, **document, "tool": tool})


def _author(name: str, email: str) -> dict[str, str]:
    return {key: value for key, value in (("name", name), ("email", email)) if value}


def _project_files(package: Package, backend: Backend) -> dict[str, str]:
    metadata, module = package.metadata, package.module
    abi3 = package.abi3
    files = {
        ".gitignore": render("project/gitignore"),
        "tests/test_module.py": render("project/test_module.py.txt", module=module, names=repr(_names(package))),
        "benches/Cargo.toml": _bench_manifest(package),
        "benches/profile.rs": _bench(package),
    }
    develop = (
        "pip install maturin build && maturin develop"
        if backend == "maturin"
        else "pip install build && pip install -e ."
    )
    workflow = "maturin.yml" if backend == "maturin" else "cibuildwheel.yml"
    interpreters = {
        "maturin.yml": "" if abi3 else "--find-interpreter",
        "cibuildwheel.yml": f"cp{abi3[0]}{abi3[1]}-*" if abi3 else "cp3*",
    }[workflow]
    release = ""
    if backend == "setuptools-rust":
        release = (
            "\n`build-wheels.sh` makes manylinux wheels, in a manylinux container or with the Pythons it is given.\n"
        )
    files[f".github/workflows/{workflow}"] = render(f"project/{workflow}", interpreters=interpreters)
    developing = render(
        "project/README.md",
        name=metadata.name,
        summary=f"{metadata.summary}\n\n" if metadata.summary else "",
        module=module,
        develop=develop,
        release=release,
    )
    if metadata.readme_type == "text/markdown" and "## Working on it" not in metadata.readme:
        files["README.md"] = metadata.readme.rstrip("\n") + "\n\n" + developing[developing.index("## Working on it") :]
    else:
        files["DEVELOPING.md"] = developing
    if backend == "setuptools-rust":
        pythons = f"cp{abi3[0]}{abi3[1]}-cp{abi3[0]}{abi3[1]}" if abi3 else "cp3*"
        oldest = oldest_python(metadata.requires_python)
        files["build-wheels.sh"] = render("project/build-wheels.sh", pythons=pythons, oldest=str(oldest[1]))
    return files


def _names(package: Package) -> list[str]:
    names: list[str] = []
    if package.root is not None and package.root.syntax.main_module is None:
        names = [export.name for export in package.root.syntax.exports if not export.cfgs]
    return sorted({*names, *(member.syntax.main_module or member.module for member in package.submodules)})


def _workspace_manifest(text: str) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    package: Any = document["package"]
    package["autobenches"] = False
    library: Any = document["lib"]
    library["doctest"] = tomlkit.item(False)  # noqa: FBT003 - the value itself
    library.value.item("doctest").comment("the documentation is for users of Python; its examples are not Rust")
    workspace = tomlkit.table()
    workspace["members"] = ["benches"]
    workspace["default-members"] = [".", "benches"]
    document["workspace"] = workspace
    return tomlkit.dumps(document)


def _bench_manifest(package: Package) -> str:
    import tomlkit

    written = tables(package.manifest)
    entry = written["dependencies"]["pyo3"]
    table = {"version": entry} if isinstance(entry, str) else {k: v for k, v in entry.items() if k != "features"}
    name = package.manifest.package
    parent, pyo3 = tomlkit.inline_table(), tomlkit.inline_table()
    parent.update({"package": name, "path": "..", "default-features": False})
    pyo3.update({**table, "features": ["auto-initialize"]})
    document = {
        "package": {
            "name": f"{name}-benches",
            "version": "0.0.0",
            "edition": written["package"]["edition"],
            "publish": False,
            "description": "Measures and profiles the module in an embedded Python",
            "autobenches": False,
        },
        "dependencies": {package.manifest.library: parent, "pyo3": pyo3},
        "bench": [{"name": "profile", "path": "profile.rs", "harness": False}],
    }
    return tomlkit.dumps(document)


def _bench(package: Package) -> str:
    files = package.rust_files()
    item = module_item(package.root, files["src/lib.rs"])
    members = package.members
    lines = []
    for member in members:
        if member.syntax.main_module is not None:
            continue
        holder = "module" if member is package.root else f'module.getattr("{member.module}")?'
        for name, values in sample_calls(member).items():
            arguments = f"({', '.join(values)}{',' if len(values) == 1 else ''})"
            variable = f"{member.module}_{name}"
            lines += [
                f'        let {variable} = {holder}.getattr("{name}")?;',
                f'        time("{name}", || {variable}.call1({arguments}).map(drop))?;',
            ]
    if not lines:
        lines = ['        time("looking up a name", || module.getattr("__name__").map(drop))?;']
    attach = "attach" if members[0].pyo3 >= _ATTACH else "with_gil"
    path = f"{package.manifest.library}::{item}"
    return render("project/profile.rs", attach=attach, path=path, calls="\n".join(lines) + "\n")
