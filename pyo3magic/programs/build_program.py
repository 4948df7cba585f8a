"""Build a cell as a cargo package linked with libpython: a program, or a library under test."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.cell.syntax import analyse
from pyo3magic.compile.build_crate import compile_error
from pyo3magic.compile.build_environment import with_cargo_environment
from pyo3magic.compile.cargo import failure_text, json_lines, run_cargo, target_folder
from pyo3magic.compile.dylibs import used_cells
from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.compile.path_prefixes import local_packages, prefixes_file, write_prefixes
from pyo3magic.compile.prepare import parse_source
from pyo3magic.compile.profile import Profile
from pyo3magic.compile.resolve import resolve
from pyo3magic.crate import Crate, Manifest, make_manifest
from pyo3magic.crate.companions import companions_of
from pyo3magic.crate.library_source import library_source
from pyo3magic.crate.lock import locked_version
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.pyo3_config import python_check_cfgs
from pyo3magic.errors import CellError

from .embed import Embedding, find_embedding
from .task import diagnose
from .used_cells import dependencies_from_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyo3magic.cell import Cell
    from pyo3magic.cell.syntax import Syntax
    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

    from .task import Task

__all__ = ["Package", "Program", "compile_program", "make_package"]

_PURPOSE = "embed"


@dataclass(frozen=True, slots=True)
class Package:
    """A cell's package, written to its folder before each build.

    Attributes:
        context: where and with what to build, with cargo's environment and a separate target folder.
        crate: the package.
        folder: the folder to write it to.
        profile: how to compile it.
        names: the user's names for its files.
        variables: environment variables that the program needs to find libpython.
        is_program: whether it has ``fn main``.
        has_tests: whether it has a ``#[test]``.
    """

    context: Context
    crate: Crate
    folder: Path
    profile: Profile
    names: Names
    variables: Mapping[str, str]
    is_program: bool
    has_tests: bool

    @property
    def target(self) -> tuple[str, ...]:
        """Cargo's options that select the package's target."""
        return ("--bin", self.crate.manifest.package) if self.is_program else ("--lib",)

    def arguments(self, command: str, *more: str) -> list[str | Path]:
        """Return the arguments of a cargo command for this package."""
        arguments: list[str | Path] = [command, *more, "--locked", "--manifest-path", self.folder / "Cargo.toml"]
        arguments += ["--target-dir", self.context.target_folder, *self.profile.arguments(self.context)]
        return [*arguments, "--offline"] if self.context.offline else arguments

    def write(self) -> None:
        """Write the package, and remove everything else from its folder.

        Unchanged files are not rewritten, because cargo detects changes by modification times. For the same reason, all
        packages that share a target folder are written to one folder: given two packages with the same name and
        dependencies in different folders, cargo would take the older package for the newer.

        Raises:
            StoreError: the package cannot be written.
        """
        files = {name: text.encode() for name, text in self.crate.files()}
        self.context.store.write_files(self.folder, files | self.crate.attached(), only=True)


@dataclass(frozen=True, slots=True)
class Program:
    """A built program.

    Attributes:
        file: the executable, in the workspace passed to the build.
        diagnostics: the compiler's warnings.
        seconds: duration of the build.
    """

    file: Path
    diagnostics: tuple[Diagnostic, ...]
    seconds: float


def make_package(task: Task, *, tests: bool) -> Package:
    """Make the package of a cell.

    Args:
        task: the cell.
        tests: whether to build it for its tests; otherwise it must be a program.

    Raises:
        CellError: the cell is empty or has no ``fn main``.
        InterpreterError: there is no libpython to link with.
        DependencyError: its dependencies cannot be resolved.
    """
    options = task.options
    cell, syntax = parse_source(options, task.body)
    if not tests and not syntax.has_main:
        raise CellError(
            "The cell has no `fn main`, so there is no program to run.",
            advice="Write `fn main() { … }`, or leave --bin out to import what the cell defines.",
        )
    interpreter, store = Interpreter.current(), task.context.store
    links = store.place("interpreters", f"libpython-{interpreter.digest[:32]}")
    embedding = find_embedding(interpreter, task.context.environ, store=store, links=links)
    context = _embedding(dataclasses.replace(task.context, interpreter=interpreter), embedding)
    script = _build_script(interpreter, syntax, embedding)
    used = used_cells(syntax.crates, cell.declared, task.cells, options.module)
    manifest = _manifest(context, cell, syntax, used, build_script=bool(script), tests=tests)
    lock = resolve(context, manifest)
    version = (locked_version(lock, "pyo3") or (0, 30))[:2]
    source = library_source(cell.source, syntax, module=None, pyo3=(version[0], version[1]), support=False)
    companions = companions_of(cell)
    crate = Crate(manifest, source, script, lock, manifest.library, companions=companions)
    profile = Profile(options.debug, options.native, options.features, prefixes=prefixes_file(context))
    folder = store.place("plans", f"programs-{hashlib.sha256(context.target_name.encode()).hexdigest()[:32]}", "crate")
    texts = (item.data.decode(errors="replace") for item in companions.attached if item.name.endswith(".rs"))
    return Package(
        context,
        crate,
        folder,
        profile,
        task.names(crate),
        embedding.variables,
        is_program=syntax.has_main,
        has_tests=syntax.has_tests or any(analyse(text).has_tests for text in texts),
    )


def compile_program(package: Package, workspace: Path, *, tests: bool) -> Program:
    """Build a package's program, or its test program, and copy it to ``workspace``.

    Raises:
        CompileError: the cell has errors.
        BuildError: the build failed for another reason.
        DependencyError: a dependency cannot be downloaded or built.
    """
    started = time.perf_counter()
    form = ("--message-format", "json-diagnostic-rendered-ansi")
    command = ("test", "--no-run") if tests else ("build",)
    with target_folder(package.context) as announce:
        package.write()
        write_prefixes(package.context, local_packages(package.crate.manifest))
        arguments = package.arguments(*command, *package.target, *form)
        environ = package.profile.environment(package.context.environ)
        finished = run_cargo(package.context, arguments, environ=environ, announce=announce)
        messages = list(json_lines(finished.stdout))
        own = [item for item in messages if item.get("manifest_path") == str(package.folder / "Cargo.toml")]
        said = (item["message"] for item in own if item.get("reason") == "compiler-message")
        diagnostics = diagnose(said, package.crate, package.names)
        if finished.status != 0:
            if any(item.is_error and item.spans for item in diagnostics):
                raise compile_error(diagnostics)
            raise explain_cargo_failure(failure_text(finished, messages))
        made = next(Path(item["executable"]) for item in reversed(own) if item.get("executable"))
        # The next build of a similar cell writes to the same place, perhaps while this program runs.
        file = workspace / made.name
        shutil.copy2(made, file)
    return Program(file, diagnostics, time.perf_counter() - started)


def _embedding(context: Context, embedding: Embedding) -> Context:
    digest = hashlib.sha256(embedding.config.encode()).hexdigest()
    # Pythons of one ABI can have different libraries, and pyo3 is compiled for one of them.
    context = dataclasses.replace(context, purpose=f"{_PURPOSE}-{digest[:8]}")
    return with_cargo_environment(context, pyo3_config=embedding.config)


def _manifest(
    context: Context, cell: Cell, syntax: Syntax, used: Mapping[str, Artifact], *, build_script: bool, tests: bool
) -> Manifest:
    import tomlkit

    made = make_manifest(
        cell,
        edition=context.edition,
        pyo3=cell.options.pyo3 or context.pyo3,
        pyo3_features=("auto-initialize", *(("experimental-async",) if syntax.uses_async else ())),
        build_script=build_script,
        support=False,
        base=context.directory,
    )
    document: dict[str, Any] = tomlkit.parse(made.text).unwrap()
    package, library = document["package"], document["lib"]
    document["dependencies"] |= dependencies_from_source(context.store, used)
    if syntax.has_main:
        del document["lib"]
        package["autolib"] = False  # src/lib.rs is the program, which keeps the cell's positions
        document["bin"] = [{"name": package["name"], "path": library["path"]}]
    else:
        # The library has the cell's name, because examples in documentation say `use NAME::item;`.
        library["name"] = cell.options.module or library["name"]
        library["crate-type"] = ["rlib"]
    if tests:
        checks = {"debug-assertions": True, "overflow-checks": True}
        release = document["profile"]["release"]
        packages = release.setdefault("package", {})
        packages[package["name"]] = checks | packages.get(package["name"], {})
    name = package["name"] if syntax.has_main else library["name"]
    return Manifest(tomlkit.dumps(document), str(package["name"]), str(name))


def _build_script(interpreter: Interpreter, syntax: Syntax, embedding: Embedding) -> str:
    lines = [f"cargo:rustc-link-arg={argument}" for argument in embedding.link_arguments]
    if syntax.uses_python_cfgs:
        lines += [f"cargo:rustc-check-cfg={cfg}" for cfg in python_check_cfgs()]
        lines += [f"cargo:rustc-cfg={cfg}" for cfg in interpreter.python_cfgs()]
    if not lines:
        return ""
    return f"fn main() {{\n{''.join(_printed(['cargo:rerun-if-changed=build.rs', *lines]))}}}\n"


def _printed(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f'    println!("{{}}", {json.dumps(line)});\n'
