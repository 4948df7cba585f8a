"""The compiler's tools: macro expansion, rustfmt, clippy and explanations of error codes."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.cell import parse_cell
from pyo3magic.environment.toolchain_probe import is_proxy
from pyo3magic.errors import CellError, OptionError, ToolchainError
from pyo3magic.process import ask

from .compile_variants import compile_variant, make_subject, without_exports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context
    from pyo3magic.environment.toolchain import Toolchain

    from .task import Task

__all__ = ["expand", "explain", "find_tool", "format_cell", "format_rust", "lint"]

_SECONDS = 60.0
_LONGEST = 1 << 24
"""Largest size of a formatted cell in bytes."""
_UNSTABLE = {"RUSTC_BOOTSTRAP": "1"}
"""Makes a stable compiler accept ``-Z`` options (unstable book), only for compilations that nothing depends on."""

_PREAMBLE = re.compile(
    r"\A(?:\s*(?:#!\[feature\(prelude_import\)\]|#!\[no_std\]|extern crate std;|#\[macro_use\]|#\[prelude_import\]|"
    r"use (?:std|::std)::prelude::rust_20\d\d::\*;|#\[allow\(unused_imports\)\]|use ::pyo3::prelude::\*;))+\s*\n"
)
_FENCE = re.compile(r"-{3,}")
_CODE = re.compile(r"E?(\d{1,4})", re.IGNORECASE)
_LOCATION = re.compile(r"--> (?:<stdin>|stdin):(\d+)")


def expand(task: Task) -> str:
    """Return a cell's Rust with all macros expanded, formatted if rustfmt is installed.

    Raises:
        PyO3MagicError: the cell's macros cannot be expanded.
    """
    subject = without_exports(make_subject(task))
    with task.context.store.workspace() as workspace:
        done = compile_variant(subject, workspace, emit="metadata", more=["-Zunpretty=expanded"], variables=_UNSTABLE)
    text = _PREAMBLE.sub("", done.stdout)
    try:
        return format_rust(task.context, text, edition=_edition(task))
    except (ToolchainError, CellError):
        return text


def lint(task: Task, more: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Return clippy's diagnostics for a cell.

    Args:
        task: the cell.
        more: lint levels, for example ``-Wclippy::pedantic``.

    Raises:
        ToolchainError: clippy is not installed.
        CompileError: the cell does not compile, or a lint is denied.
    """
    driver = find_tool("clippy-driver", "clippy", task.context.toolchain, task.context.environ)
    subject = make_subject(task)
    with task.context.store.workspace() as workspace:
        done = compile_variant(
            subject,
            workspace,
            emit="metadata",
            more=more,
            through=[driver],
            variables={"CLIPPY_CONF_DIR": str(task.context.directory), "CARGO_PRIMARY_PACKAGE": "1"},
            event="with clippy",
        )
    return done.diagnostics


def format_rust(context: Context, text: str, *, edition: str) -> str:
    """Format Rust with rustfmt, which looks for ``rustfmt.toml`` from the notebook's folder upwards.

    Raises:
        ToolchainError: rustfmt is not installed or does not work.
        CellError: rustfmt cannot parse the text.
    """
    program = find_tool("rustfmt", "rustfmt", context.toolchain, context.environ)
    try:
        answer = ask(
            [program, "--edition", edition, "--color", "never"],
            standard_input=text.encode(),
            directory=context.directory,
            environ={**context.environ, **dict(context.toolchain.variables)},
            timeout=_SECONDS,
            limit=_LONGEST,
        )
    except OSError as error:
        raise ToolchainError(f"rustfmt does not work: {error}.", advice="Try `rustfmt --version`.") from error
    if answer.status != 0:
        said = answer.stderr.strip()
        first = said.partition("\n")[0].removeprefix("error: ")
        raise CellError(f"rustfmt cannot read the cell: {first}.", advice=said, details=said)
    return answer.stdout


def format_cell(task: Task) -> str:
    """Return a cell's text below its ``%%rust`` line, formatted, with unchanged front matter.

    Raises:
        ToolchainError: rustfmt is not installed.
        CellError: rustfmt cannot parse the cell.
    """
    parse_cell(task.options, task.body)
    head, rust = _front_matter(task.body)
    offset = head.count("\n") + 1
    try:
        formatted = format_rust(task.context, rust, edition=_edition(task))
    except CellError as error:
        lines = _LOCATION.sub(lambda match: f"--> {task.label}:{int(match[1]) + offset}", error.details)
        raise CellError(error.message, advice=_renumbered(lines, offset)) from None
    return head + formatted


def explain(context: Context, code: str) -> str:
    """Return the compiler's explanation of an error code, in Markdown.

    Raises:
        OptionError: the code does not exist.
    """
    match = _CODE.fullmatch(code.strip())
    if match is None:
        raise OptionError(f"{code.strip()!r} is not an error code.", advice="Write for example %rust_explain E0382.")
    name = f"E{int(match[1]):04}"
    environ = {**context.environ, **dict(context.toolchain.variables)}
    answer = ask([context.toolchain.rustc, "--explain", name], environ=environ, timeout=_SECONDS)
    if answer.status != 0 or not answer.stdout.strip():
        raise OptionError(
            f"The compiler has no explanation for {name}.",
            advice="The codes are listed at https://doc.rust-lang.org/error_codes/error-index.html",
        )
    return f"#### {name}\n\n{answer.stdout.strip()}\n"


def find_tool(program: str, component: str, toolchain: Toolchain, environ: Mapping[str, str]) -> Path:
    """Return the path of a tool of the toolchain, never rustup's proxy, which may exist without the tool.

    Raises:
        ToolchainError: the tool is not installed; the advice says how to install it.
    """
    folders = [toolchain.rustc.parent, toolchain.sysroot / "bin"]
    if component != "clippy":  # clippy must come from the same build as rustc
        folders += [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    for folder in folders:
        found = shutil.which(program, path=str(folder))
        if found and not is_proxy(Path(found)):
            return Path(found)
    name = toolchain.sysroot.name
    ours = f" --toolchain {name}" if re.search(r"-\w+-\w+-\w+", name) else ""
    packages = {"rustfmt": "rustfmt", "clippy": "rust-clippy"}
    raise ToolchainError(
        f"{component} is not installed for the toolchain in use ({toolchain.sysroot}).",
        advice=f"Run `rustup component add {component}{ours}` in a terminal; with Debian's Rust, "
        f"`sudo apt install {packages[component]}`.",
    )


def _edition(task: Task) -> str:
    package = parse_cell(task.options, task.body).front_matter.get("package")
    written = package.get("edition") if isinstance(package, dict) else None
    return (written if isinstance(written, str) else "") or task.options.edition or task.context.edition


def _front_matter(body: str) -> tuple[str, str]:
    lines = body.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    opening = _FENCE.match(lines[first])
    if opening is None:
        return "", body
    last = next(n for n in range(first + 1, len(lines)) if lines[n].rstrip() == opening[0])
    return "".join(lines[: last + 1]), "".join(lines[last + 1 :])


def _renumbered(text: str, offset: int) -> str:
    """Change the line numbers in the margin to the cell's."""
    return re.sub(
        r"^(\s*)(\d+)( \|)", lambda match: f"{match[1]}{int(match[2]) + offset}{match[3]}", text, flags=re.MULTILINE
    )
