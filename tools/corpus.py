"""Run Rust that people already have through pyo3magic, and write what came of it to docs/corpus.md.

    python tools/corpus.py [--only TEXT] [--subset] [--store FOLDER] [--work FOLDER] [--output FILE] [-v]

The sources are listed in tests/corpus/sources.toml. Crates are fetched by cargo; repositories by git, at one commit. An
example is a cell as it stands: its dependencies are those that the crate's own manifest names. What makes a module is
built and imported in a process of its own; what has `fn main` is built and run as `%%rust --bin` does.
"""

# ruff: noqa: INP001, T201, E402, E501, S607 - a script; printing is what it is for
from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

import tomlkit
from snippets import Snippet, snippets

from pyo3magic.cell import Options
from pyo3magic.cell.syntax import analyse
from pyo3magic.crate.existing_rust import bring
from pyo3magic.errors import CompileError, PyO3MagicError
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = _ROOT / "tests" / "corpus" / "sources.toml"
_REGISTRY_INFO = ".cargo_vcs_info.json"
_OWN = frozenset({"pyo3", "std", "core", "alloc", "crate", "self", "super"})
_STATEMENTS = frozenset({"let_declaration", "expression_statement"})
_LOAD = "import sys; from pyo3magic.session.load import load_for_worker; load_for_worker(*sys.argv[1:4])"
_SECONDS = 120
_SUGGESTED = re.compile(r"`--pyo3 (\d+\.\d+)` accepts it unchanged")


@dataclass(frozen=True)
class Case:
    """One thing to run.

    Attributes:
        source: what it comes from, as in ``pyo3 0.30.1``.
        path: the file or folder in it.
        line: the example's line there; 0 for the whole.
        link: where it can be read.
        text: the cell, for an example.
        place: the file or folder on this machine, for a project.
        kind: how it is run.
        edition: the edition its own crate has.
        pyo3: the pyo3 that its own crate is tested with.
        dependencies: the ``-d`` options it needs.
    """

    source: str
    path: str
    line: int
    link: str
    text: str = ""
    place: Path | None = None
    kind: str = "module"
    edition: str = "2021"
    pyo3: str = ""
    dependencies: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.source} {self.path}" + (f":{self.line}" if self.line else "")


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    case: Case
    outcome: str
    why: str = ""
    seconds: float = 0.0
    details: str = field(default="", repr=False)


def read_sources() -> dict[str, Any]:
    """The list of sources."""
    return tomlkit.parse(SOURCES.read_text(encoding="utf-8")).unwrap()


def cases(listed: dict[str, Any], work: Path, *, subset: bool = False) -> Iterator[Case]:
    """Fetch every source and yield what is in it.

    Raises:
        CalledProcessError: a source cannot be fetched.
    """
    for crate in listed["crate"]:
        if not subset or "subset" in crate:
            yield from _crate_cases(crate, work, crate["subset"] if subset else crate["files"])
    for project in listed.get("project", ()):
        if not subset or "subset" in project:
            yield from _project_cases(project, work, project["subset"] if subset else project["paths"])


def _crate_cases(crate: dict[str, Any], work: Path, patterns: list[str]) -> Iterator[Case]:
    scratch = work / "crates" / crate["name"]
    (scratch / "src").mkdir(parents=True, exist_ok=True)
    (scratch / "src" / "lib.rs").touch()
    requirement = f'"{crate["name"]}" = "={crate["version"]}"'
    (scratch / "Cargo.toml").write_text(
        f'[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n{requirement}\n',
        encoding="utf-8",
    )
    command = ["cargo", "metadata", "--format-version", "1", "--manifest-path", str(scratch / "Cargo.toml")]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    package = next(item for item in metadata["packages"] if item["name"] == crate["name"])
    folder = Path(package["manifest_path"]).parent
    info = json.loads((folder / _REGISTRY_INFO).read_text()) if (folder / _REGISTRY_INFO).exists() else {}
    commit = info.get("git", {}).get("sha1", "")
    repository = (package["repository"] or f"https://crates.io/crates/{crate['name']}").removesuffix(".git").rstrip("/")
    base = (
        f"{repository}/blob/{commit}"
        if commit and "github.com" in repository
        else f"https://docs.rs/crate/{crate['name']}/{crate['version']}/source"
    )
    within = f"{info['path_in_vcs']}/" if commit and info.get("path_in_vcs") and "blob" in base else ""
    known: dict[str, Any] = {}
    for item in sorted(package["dependencies"], key=lambda item: item["kind"] is None):  # its own before its tests'
        tested = known.get(item["name"].replace("-", "_"), {})
        features = sorted({*item["features"], *tested.get("features", ())})
        known[item["name"].replace("-", "_")] = {**item, "features": features}
    left_out = {path for pattern in crate.get("leave-out", ()) for path in folder.glob(pattern)}
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)} - left_out):
        relative = path.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8")
        if relative.startswith("examples/"):
            found = [(0, text, True)]
        else:
            found = [(item.line, _whole(item), item.is_run) for item in snippets(text, rust=path.suffix == ".rs")]
        for line, example, is_run in found:
            if "{{#" in example or not ("pyo3" in example or crate["name"].replace("-", "_") in example):
                continue
            chosen = crate | crate.get("examples", {}).get(f"{relative}:{line}", {})
            case = Case(
                f"{crate['name']} {crate['version']}",
                relative,
                line,
                f"{base}/{within}{relative}" + (f"#L{line}" if line else ""),
                _front_matter(chosen, known, example) + example,
                edition=package["edition"],
                pyo3=known["pyo3"]["req"].lstrip("^") if "pyo3" in known and crate["name"] != "pyo3" else "",
            )
            yield replace(case, kind=_kind(example, is_run=is_run))


def _front_matter(crate: dict[str, Any], known: dict[str, Any], example: str) -> str:
    used = set(analyse(example).crates)
    more = {name.replace("-", "_"): name for name in crate.get("dependencies", ())}
    lines = []
    for name in sorted(used - _OWN):
        if name == crate["name"].replace("-", "_"):
            lines.append(
                _entry(
                    crate["name"],
                    f"={crate['version']}",
                    crate.get("features", ()),
                    defaults=crate.get("default-features", True),
                )
            )
        elif name in known:
            item = known[name]
            lines.append(_entry(item["name"], item["req"], item["features"], defaults=item["uses_default_features"]))
        elif name in more:
            lines.append(_entry(more[name], crate["dependencies"][more[name]], (), defaults=True))
    own = crate["name"] == "pyo3"
    features = [*crate.get("pyo3-features", ())]
    if own or features:
        lines.append(_entry("pyo3", f"={crate['version']}" if own else ">=0.25, <0.31", features, defaults=True))
    text = "[dependencies]\n" + "\n".join(lines) if lines else ""
    if crate.get("features") and lines:
        # rustdoc compiles a crate's examples with the crate's own features switched on.
        text += f"\n[features]\ndefault = {json.dumps(crate['features'])}\n"
        text += "\n".join(f"{name} = []" for name in crate["features"])
    return f"---\n{text}\n---\n" if text else ""


def _entry(name: str, requirement: str, features: Any, *, defaults: bool) -> str:
    more = f", features = {json.dumps(list(features))}" if features else ""
    more += "" if defaults else ", default-features = false"
    return f"{name} = {{ version = {json.dumps(requirement)}{more} }}"


def _kind(example: str, *, is_run: bool) -> str:
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_rust.language())).parse(example.encode()).root_node
    syntax = analyse(example)
    if syntax.has_main:
        return "program" if is_run else "program, only built"
    loose = [
        node
        for node in root.children
        if node.type in _STATEMENTS and not (node.named_children and node.named_children[0].type == "macro_invocation")
    ]
    return "fragment" if loose else "module"


def _whole(example: Snippet) -> str:
    """The example with its hidden lines, unless only without them it is a whole file: items and nothing else."""
    kinds = [_kind(text, is_run=True) for text in (example.text, example.visible)]
    return example.visible if kinds[0] == "fragment" and kinds[1] == "module" else example.text


def _project_cases(project: dict[str, Any], work: Path, paths: list[str]) -> Iterator[Case]:
    name = project["repository"].removeprefix("https://github.com/")
    folder = work / "repositories" / name.replace("/", "-")
    if not (folder / ".fetched").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            ["init", "--quiet"],
            ["fetch", "--quiet", "--depth", "1", project["repository"], project["commit"]],
            ["checkout", "--quiet", "--force", "FETCH_HEAD"],
        ):
            if subprocess.run(["git", "-C", str(folder), *command], check=False).returncode != 0:
                break
        else:
            (folder / ".fetched").touch()
    for path in paths:
        kind = "file" if path.endswith(".rs") else "project"
        if not (folder / ".fetched").exists():
            kind = "unreachable"
        link = f"{project['repository']}/blob/{project['commit']}/{path}"
        needed = tuple(project.get("dependencies", {}).get(path, ()))
        yield Case(name, path, 0, link, place=folder / path, kind=kind, dependencies=needed)


def run(case: Case, session: Session) -> Result:
    """Build a case as its kind asks, import or run it, and say what came of it."""
    started = time.perf_counter()
    if case.kind == "fragment":
        return Result(case, "fragment", "statements outside a function, which are no Rust file")
    if case.kind == "unreachable":
        return Result(case, "unreachable", "git cannot fetch it here")
    first = _attempt(case, session, Options(dependencies=case.dependencies))
    result = first
    suggested = dict.fromkeys(_SUGGESTED.findall(first.why))
    for name, value in (("--edition", case.edition), ("--pyo3", case.pyo3), *(("--pyo3", each) for each in suggested)):
        if result.outcome == "fails" and case.text and value:
            chosen = Options(edition=value) if name == "--edition" else Options(pyo3=value)
            again = _attempt(case, session, chosen)
            if again.outcome != "fails":
                without = "as the hint under the error says" if value in suggested else f"without it: {first.why}"
                result = replace(again, why=f"with {name} {value}; {without}")
    return replace(result, seconds=time.perf_counter() - started)


def _attempt(case: Case, session: Session, options: Options) -> Result:
    try:
        if case.kind.startswith("program"):
            return _run_program(case, session, options)
        place = str(case.place)
        brought = bring(
            options,
            case.text or None,
            label=case.name,
            crate=place if case.kind == "project" else None,
            file=place if case.kind == "file" else None,
        )
        artifact = session.build(brought.options, brought.body)
    except CompileError as error:
        from pyo3magic.diagnostics import render_text

        said = render_text(error.diagnostics, case.name)
        return Result(case, "fails", f"{error.message}" + (f" ({error.advice})" if error.advice else ""), details=said)
    except PyO3MagicError as error:
        return Result(case, "fails", error.message, details=error.details)
    command = [sys.executable, "-c", _LOAD, str(session.store.folder), artifact.digest, "cell_of_corpus"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS, cwd=_ROOT)
    if done.returncode != 0:
        return Result(
            case, "fails", "cannot be imported: " + done.stderr.strip().rpartition("\n")[2], details=done.stderr
        )
    notes = [note for note in artifact.notes if note.startswith("The cell exports nothing")]
    return Result(case, "runs", "exports nothing to Python" if notes else "")


def _run_program(case: Case, session: Session, options: Options) -> Result:
    from pyo3magic.environment.context import gather
    from pyo3magic.programs.binary import run_binary
    from pyo3magic.programs.task import Task

    said: list[bytes] = []

    class Kept:
        """Takes a program's output."""

        def take(self, _index: int, data: bytes) -> None:
            said.append(data)

        def idle(self) -> None:
            """Nothing has come for a moment."""

        def finish(self) -> str:
            return ""

    task = Task(gather(session.store), options, case.text, case.name)
    if case.kind == "program, only built":
        from pyo3magic.programs.build_program import compile_program, make_package

        package = make_package(task, tests=False)
        with session.store.workspace() as workspace:
            compile_program(package, workspace, tests=False)
        return Result(case, "runs", "built only, as its documentation asks")
    try:
        run_binary(task, (), output=lambda _: Kept(), built=lambda _: None)
    except PyO3MagicError as error:
        error.details = error.details or b"".join(said).decode(errors="replace")
        raise
    return Result(case, "runs")


def report(results: list[Result], listed: dict[str, Any]) -> str:
    """The document."""
    known = {item["cell"]: item["why"] for item in listed.get("known", ())}
    explained = {result.case.name: _known(result, known) for result in results if result.outcome == "fails"}
    counts = {
        source: Counter(item.outcome for item in results if item.case.source == source)
        for source in dict.fromkeys(item.case.source for item in results)
    }
    total = Counter(item.outcome for item in results)
    cells = total["runs"] + total["fails"]
    lines = [
        "# Rust that people already have",
        "",
        "Made by `make corpus` (`tools/corpus.py`); not edited by hand. Each line is Rust that somebody else wrote, fetched from its source when the",
        "script runs and put into a cell as it stands. A module is built and imported, what has `fn main` is built and run by",
        "`%%rust --bin`, a file by `--file`, a project by `--crate`.",
        "",
        f"**{total['runs']} of {cells} run.** The rest is explained below. {total['fragment']} further examples are fragments: statements outside",
        "any function, which rustdoc wraps before it compiles them; no Rust file can hold them.",
        "",
        "| source | cells | run | do not | fragments |",
        "|---|---|---|---|---|",
    ]
    for source, count in counts.items():
        lines.append(
            f"| {source} | {count['runs'] + count['fails']} | {count['runs']} | {count['fails']} | {count['fragment']} |"
        )
    lines += ["", "## What does not run, and why", ""]
    if explained:
        lines += ["| cell | why |", "|---|---|"]
        lines += [
            f"| [{_short(item.case)}]({item.case.link}) | {_cell(explained[item.case.name] or 'UNEXPLAINED: ' + item.why)} |"
            for item in results
            if item.outcome == "fails"
        ]
    else:
        lines.append("Nothing.")
    lines += ["", "## What runs", "", "| cell | how | remark |", "|---|---|---|"]
    lines += [
        f"| [{_short(item.case)}]({item.case.link}) | {item.case.kind} | {_cell(item.why)} |"
        for item in results
        if item.outcome == "runs"
    ]
    return "\n".join(lines) + "\n"


def _known(result: Result, known: dict[str, str]) -> str:
    return next((why for cell, why in known.items() if result.case.name.endswith(cell)), "")


def _short(case: Case) -> str:
    return case.name


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def main() -> int:
    """Run the corpus; the exit status says whether every failure is explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run only what has this in its name")
    parser.add_argument("--subset", action="store_true", help="run only the quick subset")
    parser.add_argument("--store", type=Path, help="the store to build in")
    parser.add_argument("--work", type=Path, help="where sources are fetched to")
    parser.add_argument("--output", type=Path, default=_ROOT / "docs" / "corpus.md")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the compiler's words about failures")
    arguments = parser.parse_args()
    listed = read_sources()
    with tempfile.TemporaryDirectory() as temporary:
        session = Session(Store(arguments.store or Path(temporary) / "store"))
        work = arguments.work or Path(temporary) / "work"
        results = []
        for case in cases(listed, work, subset=arguments.subset):
            if arguments.only not in case.name:
                continue
            result = run(case, session)
            results.append(result)
            print(f"{result.outcome:9}{result.seconds:6.1f}  {case.name}  {result.why[:150]}", flush=True)
            if arguments.verbose and result.outcome == "fails":
                print(result.details)
    text = report(results, listed)
    unreachable = [item for item in results if item.outcome == "unreachable"]
    if unreachable and not arguments.subset:
        print(f"{len(unreachable)} could not be fetched; {arguments.output.name} is left as it was")
        return 1
    if not arguments.only and not arguments.subset:
        arguments.output.write_text(text, encoding="utf-8")
    known = {item["cell"]: item["why"] for item in listed.get("known", ())}
    unexplained = [item for item in results if item.outcome == "fails" and not _known(item, known)]
    print(f"{sum(item.outcome == 'runs' for item in results)} run, {len(unexplained)} unexplained failures")
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main())
