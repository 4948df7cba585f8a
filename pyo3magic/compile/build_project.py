"""Build an existing cargo project as a module (``%rust --crate DIR``), without writing into the project."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.cell.syntax import analyse
from pyo3magic.crate.cargo_project import local_folders, package_name, read_project
from pyo3magic.crate.file_names import relative, renamed
from pyo3magic.crate.lock import locked_version
from pyo3magic.diagnostics import Diagnostic, Span
from pyo3magic.errors import BuildError, StoreError
from pyo3magic.store import Description, Inputs, digest_file, digest_tree

from .build_crate import compile_error
from .cargo import failure_text, json_lines, run_cargo, target_folder
from .hints.cargo_failures import explain_cargo_failure
from .path_prefixes import prefixes_file, write_prefixes
from .profile import Profile
from .project_mirror import make_mirror

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyo3magic.cell import Options
    from pyo3magic.crate.cargo_project import Project
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

__all__ = ["build_project"]

_FEATURE_BEFORE = (0, 26)
"""First pyo3 that reads PYO3_BUILD_EXTENSION_MODULE; older versions have the feature ``extension-module``."""

_NAMESAKES = "projects.json"
"""File in cargo's target folder that records for which project each package was last compiled."""

_LIBRARIES = frozenset({".so", ".dylib", ".dll"})
_INIT = re.compile(rb"PyInit_(\w+)\0")


def build_project(context: Context, options: Options, *, key: str) -> Artifact:
    """Build a cargo project and keep the module in the store.

    Args:
        context: where and with what to build, with cargo's environment; its directory is the project's.
        options: the options; ``crate`` names the project's folder.
        key: the key under which the store finds the module until one of the project's files changes.

    Returns:
        The stored module.

    Raises:
        CellError: the folder has no project that builds a module.
        CompileError: the project's code has errors.
        BuildError: the build failed for another reason, or its library is not a Python module.
        DependencyError: a dependency cannot be downloaded or built.
        StoreError: the store cannot be written.
    """
    started = time.perf_counter()
    project = read_project(Path(options.crate or ""))
    root = _workspace(context, project)
    folders = local_folders(project.manifest, root)
    inputs = _inputs(project, root, folders)
    plan = context.store.place("plans", f"project-{hashlib.sha256(str(root).encode()).hexdigest()[:32]}")
    with context.store.workspace() as workspace:
        with target_folder(context) as announce:
            try:
                here = make_mirror(plan, root, folders)
            except OSError as error:
                raise StoreError(
                    f"The store cannot hold links to {project.folder}: {error.strerror or error}.",
                    advice="Set PYO3MAGIC_STORE to a folder on a file system with symbolic links.",
                ) from error
            top = Path(os.path.commonpath((root, *folders)))
            manifest = plan / project.manifest.relative_to(top)
            features = _features(context, options, manifest, here)
            how = [] if options.debug else ["--profile", project.profile]
            how += ["--target", context.triple] if context.cross is not None else []
            place: list[str | Path] = ["--manifest-path", manifest, "--target-dir", context.target_folder, *how]
            place += ["--offline"] if context.offline else []
            _forget_namesakes(context, folders, place, " ".join(how))
            profile = Profile(options.debug, options.native, prefixes=prefixes_file(context))
            write_prefixes(context, {plan: str(top)})
            arguments: list[str | Path] = ["rustc", "--lib", *place]
            arguments += ["--message-format", "json-diagnostic-rendered-ansi"]
            arguments += [] if project.is_cdylib else ["--crate-type", "cdylib"]
            arguments += [*profile.flag_arguments(context), *project.arguments(features)]
            arguments += ["--", *project.rustc_arguments] if project.rustc_arguments else []
            environ = profile.environment(context.environ)
            finished = run_cargo(context, arguments, environ=environ, announce=announce)
            messages = list(json_lines(finished.stdout))
            diagnostics = _diagnostics(messages, plan, top, here, Path.cwd())
            if finished.status != 0:
                if any(item.is_error and item.spans for item in diagnostics):
                    raise compile_error(diagnostics)
                raise explain_cargo_failure(failure_text(finished, messages).replace(str(plan), str(top)))
            made = _made(messages, manifest)
            file = workspace / made.name
            file.write_bytes(made.read_bytes())
            texts = {
                name: (path / name).read_bytes()
                for name, path in (("Cargo.toml", manifest.parent), ("Cargo.lock", here))
            }
        module = _module(project, file.read_bytes())
        notes: tuple[str, ...] = ()
        if project.python:
            beside = relative(Path(project.python), Path.cwd())
            notes = (f"Only the Rust module {module!r} is loaded; the Python files in {beside} are not.",)

        def write_crate(folder: Path) -> None:
            folder.mkdir()
            for name, data in texts.items():
                (folder / name).write_bytes(data)
            (folder / "origin.txt").write_text(f"{project.folder}\n", encoding="utf-8")

        return context.store.publish(
            key,
            inputs,
            Description(
                module=module,
                file_name=module + context.interpreter.ext_suffix,
                interpreter=context.interpreter.identity,
                diagnostics=tuple(item.to_dict() for item in diagnostics),
                notes=notes,
                seconds=time.perf_counter() - started,
            ),
            built=file,
            write_crate=write_crate,
        )


def _workspace(context: Context, project: Project) -> Path:
    """Ask cargo for the folder of the project's workspace (cargo reference, ``locate-project``)."""
    arguments: list[str | Path] = ["locate-project", "--workspace", "--manifest-path", project.manifest]
    finished = run_cargo(context, arguments)
    for found in json_lines(finished.stdout):
        return Path(found["root"]).parent
    raise explain_cargo_failure(finished.stderr)


def _inputs(project: Project, root: Path, folders: Iterable[Path]) -> Inputs:
    """Digest the files of the project and of its local dependencies before the build."""
    packages = {project.folder, project.manifest.parent, *folders}
    if root not in {project.folder, project.manifest.parent}:
        packages.discard(root)
    trees = [path for path in packages if not any(other in path.parents for other in packages)]
    files = [root / "Cargo.toml", root / "Cargo.lock"]
    return Inputs({str(path): digest_file(path) for path in files}, {str(path): digest_tree(path) for path in trees})


def _features(context: Context, options: Options, manifest: Path, here: Path) -> tuple[str, ...]:
    lock = here / "Cargo.lock"
    if not lock.is_file():
        arguments: list[str | Path] = ["generate-lockfile", "--manifest-path", manifest]
        finished = run_cargo(context, [*arguments, "--offline"] if context.offline else arguments)
        if finished.status != 0:
            raise explain_cargo_failure(finished.stderr)
    version = locked_version(lock.read_text(encoding="utf-8"), "pyo3")
    older = version is not None and version < _FEATURE_BEFORE
    return (*options.features, *(("pyo3/extension-module",) if older else ()))


def _forget_namesakes(context: Context, folders: Iterable[Path], place: list[str | Path], how: str) -> None:
    """Make cargo recompile packages whose names it last compiled for another project.

    cargo identifies a workspace's package by name, version, dependencies and path within the workspace. Given two
    copies of a project, it would take the copy with older files for the copy that it has already compiled.
    """
    record = context.target_folder / _NAMESAKES
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(record.read_bytes())
    packages = {name: str(folder) for folder in folders if (name := package_name(folder))}
    others = [name for name, folder in packages.items() if known.get(f"{name} {how}", folder) != folder]
    for name in others:
        run_cargo(context, ["clean", "--package", name, *place])
    known |= {f"{name} {how}": folder for name, folder in packages.items()}
    context.store.write_text(record, json.dumps(known))


def _made(messages: list[dict[str, Any]], manifest: Path) -> Path:
    for item in reversed(messages):
        if item.get("reason") == "compiler-artifact" and item.get("manifest_path") == str(manifest):
            for name in item["filenames"]:
                if Path(name).suffix in _LIBRARIES:
                    return Path(name)
    raise BuildError("cargo built the project but produced no dynamic library.", advice="Run it with -v.")


def _module(project: Project, binary: bytes) -> str:
    """Return the name under which a library can be imported (PEP 489: its ``PyInit_`` function)."""
    present = [str(name, "utf-8") for name in dict.fromkeys(_INIT.findall(binary))]
    for name in (project.module, project.library, project.package.replace("-", "_")):
        if name in present:
            return name
    if not project.module and len(present) > 1:
        main = analyse(project.source.read_text(encoding="utf-8", errors="replace")).main_module
        present = [name for name in present if name == main] or present
    if len(present) == 1 and not project.module:
        return present[0]
    wanted = project.module or project.library
    raise BuildError(
        f"The library of {project.package!r} cannot be imported as {wanted!r}: it has "
        + (f"only the modules {', '.join(present)}." if present else "no #[pymodule]."),
        advice="Give the #[pymodule], the [lib] name and maturin's module-name the same last name.",
    )


def _diagnostics(
    messages: Iterable[Mapping[str, Any]], plan: Path, top: Path, here: Path, directory: Path
) -> tuple[Diagnostic, ...]:
    """Return the compiler's messages about the project's own packages, with the project's paths, not the mirror's."""
    root = top / here.relative_to(plan)
    found: dict[str, Diagnostic] = {}
    for item in messages:
        if item.get("reason") != "compiler-message" or plan not in Path(item["manifest_path"]).parents:
            continue
        message = item["message"]
        if message["level"] == "failure-note" or not message["spans"]:
            continue
        text = str(message.get("rendered") or "").replace(str(plan), str(top))
        spans = []
        for span in message["spans"]:
            name = span["file_name"]
            if not os.path.isabs(name):  # noqa: PTH117 - rustc's text
                shown = relative(root / name, directory)
                text = renamed(text, name, shown)
            numbers = (span["line_start"], span["column_start"], span["line_end"], span["column_end"])
            spans.append(Span(*numbers, bool(span["is_primary"]), span["label"]))
        code = (message.get("code") or {}).get("code")
        found.setdefault(
            json.dumps(message), Diagnostic(message["level"], message["message"], code, text, tuple(spans))
        )
    return tuple(found.values())
