"""``%%rust --test``: build a cell's tests and run them."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.compile.cargo import target_folder
from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.environment.toolchain_probe import is_proxy
from pyo3magic.errors import CellError, Interrupted, ProgramFailed, TestsFailed
from pyo3magic.process import ask

from .binary import describe_status, run_program
from .build_program import compile_program, make_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic

    from .build_program import Package
    from .program_output import Shows
    from .request import Request
    from .task import Task

__all__ = ["Report", "read_report", "run_tests"]

_NAMES_SHOWN = 8
_LIST_SECONDS = 10.0
_LINE_BYTES = 4096
_SAID_BYTES = 1 << 16
_OUTCOME = re.compile(r"test (?P<name>.+?)(?: - should panic)? \.\.\. (?P<outcome>ok|FAILED|ignored)\b")
_RESULT = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed;(?:.*?(\d+) filtered out)?")
_LISTED = re.compile(r"^(.+): test$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """libtest's report on a run.

    Attributes:
        outcomes: ok, FAILED or ignored, for each finished test.
        counts: numbers of passed and failed tests, from the last line; None if that line is missing.
        left_out: number of tests whose names do not match the filter.
    """

    outcomes: Mapping[str, str]
    counts: tuple[int, int] | None = None
    left_out: int = 0

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the tests that failed."""
        return tuple(name for name, outcome in self.outcomes.items() if outcome == "FAILED")

    @property
    def summary(self) -> str:
        """A summary such as ``3 tests passed, 1 ignored``."""
        passed, _ = self.counts or (0, 0)
        if self.left_out and not self.outcomes:
            return f"No test was run; the filter left out {self.left_out}"
        ignored = sum(outcome == "ignored" for outcome in self.outcomes.values())
        return f"{passed} test{'s'[: passed != 1]} passed" + (f", {ignored} ignored" if ignored else "")


def read_report(lines: Iterable[str]) -> Report:
    """Read libtest's output (rustc book, 'Tests', ``--format pretty``)."""
    outcomes: dict[str, str] = {}
    counts, left_out = None, 0
    for line in lines:
        if match := _OUTCOME.match(line):
            outcomes[match["name"]] = match["outcome"]
        elif match := _RESULT.match(line):
            counts, left_out = (int(match[1]), int(match[2])), int(match[3] or 0)
    return Report(outcomes, counts, left_out)


class _Heard:
    """The lines of libtest in a test program's output; the tests' own output is dropped because it may be endless."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rest = b""

    def take(self, index: int, data: bytes) -> None:
        """Take a piece of standard output (0)."""
        if index == 0:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in lines if line.startswith(b"test ")]
            self._rest = self._rest[:_LINE_BYTES]


class _Examples:
    """Show the output of the examples and of rustdoc, but not of cargo."""

    def __init__(self, output: Shows) -> None:
        self._output = output
        self.said = b""
        self.idle = output.idle
        self.finish = output.finish

    def take(self, index: int, data: bytes) -> None:
        """Take a piece of standard output (0) or standard error (1)."""
        if index == 0:
            self._output.take(index, data)
        else:
            self.said = (self.said + data)[-_SAID_BYTES:]


def run_tests(
    task: Task,
    request: Request,
    *,
    output: Callable[[Names], Shows],
    built: Callable[[Sequence[Diagnostic]], None],
) -> str:
    """Build a cell's tests and run them; ``output`` and ``built`` as for `run_binary`.

    Returns:
        A line that summarises the results.

    Raises:
        TestsFailed: a test failed.
        PyO3MagicError: the tests cannot be built or started, or were interrupted.
    """
    package = make_package(task, tests=True)
    if request.doc and package.is_program:
        raise CellError(
            "Examples in a program's documentation cannot be run: they can use a library, but not a program.",
            advice="Leave --doc out, or move `fn main` to another cell.",
        )
    if not request.doc and not package.has_tests:
        raise CellError(
            "The cell has no tests.",
            advice="Write for example:\n\n    #[test]\n    fn doubles() {\n        assert_eq!(double(2), 4);\n    }",
        )
    environ = {**task.context.environ, **package.variables, "CARGO_MANIFEST_DIR": str(package.folder)}
    with task.context.store.workspace() as workspace:
        program = compile_program(package, workspace, tests=True)
        built(program.diagnostics)
        command: list[str | Path] = [program.file, *filter(None, [request.filter]), *request.arguments]
        line = f"{_run(package, command, environ, output(package.names))}, built in {program.seconds:.2f} s"
        if request.doc:
            line += f"\nDocumentation: {_run_doc_tests(package, output(package.names), request)}"
    return line


def _run(
    package: Package, command: Sequence[str | Path], environ: Mapping[str, str], output: Shows, *, doc: bool = False
) -> str:
    heard = _Heard()
    what = "The run of the documentation's examples" if doc else "The test program"
    shown: Shows = _Examples(output) if doc else output
    try:
        run = run_program(command, package.context, environ, shown, what=what, heard=heard.take)
    except Interrupted as error:
        rest = "" if doc else _unfinished(package, command, environ, read_report(heard.lines))
        raise Interrupted(error.message, advice="\n".join(filter(None, (rest, error.advice)))) from None
    except ProgramFailed as error:
        raise TestsFailed(error.message.replace("The program", what), advice=error.advice) from None
    report = read_report(heard.lines)
    if run.status == 0:
        return "\n".join(filter(None, (run.note, f"{report.summary}; ran for {run.seconds:.2f} s")))
    if report.counts is not None and report.counts[1]:
        passed, failed = report.counts
        names = f": {package.names.text(_listed(report.failed))}" if report.failed else ""
        raise TestsFailed(
            f"{failed} of {passed + failed} test{'s'[: passed + failed != 1]} failed{names}", advice=run.note
        )
    if isinstance(shown, _Examples) and report.counts is None:
        raise explain_cargo_failure(shown.said.decode(errors="replace"))
    rest = "" if doc else _unfinished(package, command, environ, report)
    hint = "With `-- --test-threads=1 --nocapture` the last lines show where." if run.status < 0 else ""
    end = describe_status(run.status) if report.outcomes or run.status < 0 else f"ended with exit status {run.status}"
    raise TestsFailed(
        f"{what} {end} before it reported how many tests passed.",
        advice="\n".join(filter(None, (rest, hint, run.note))),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")


def _unfinished(package: Package, command: Sequence[str | Path], environ: Mapping[str, str], report: Report) -> str:
    """Return a sentence with the unfinished tests, one of which caused the failure; empty if unknown."""
    try:
        directory = package.context.directory
        answer = ask([*command, "--list"], environ=environ, directory=directory, timeout=_LIST_SECONDS)
    except (OSError, TimeoutError):
        return ""
    missing = [name for name in _LISTED.findall(answer.stdout) if name not in report.outcomes]
    return f"Not finished: {_listed(missing)}." if missing else ""


def _run_doc_tests(package: Package, output: Shows, request: Request) -> str:
    """Have cargo build and run the examples, which rustdoc finds."""
    after = [word for word in (request.filter, *request.arguments) if word]
    command = [package.context.toolchain.cargo, *package.arguments("test", "--doc"), "--", *after]
    environ = {**package.context.environ, **package.variables}
    toolchain = package.context.toolchain
    for folder in (toolchain.rustc.parent, toolchain.sysroot / "bin"):
        rustdoc = shutil.which("rustdoc", path=str(folder))
        if rustdoc and not is_proxy(Path(rustdoc)):
            environ.setdefault("RUSTDOC", rustdoc)  # if RUSTC is set, cargo would choose a different version
    with target_folder(package.context):
        package.write()  # another kernel may have replaced the package in the meantime
        return _run(package, command, environ, output, doc=True)
