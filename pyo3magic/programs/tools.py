"""What comes with the compiler: expanded macros, rustfmt, clippy and the explanation of an error's code."""

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
"""Bytes of a formatted cell."""
_UNSTABLE = {"RUSTC_BOOTSTRAP": "1"}
"""Lets a stable compiler take ``-Z`` options (unstable book); for one compilation that nothing else depends on."""

_PREAMBLE = re.compile(
    r"\A(?:\s*(?:#!\[feature\(prelude_import\)\]|#!\[no_std\]|extern crate std;|#\[macro_use\]|#\[prelude_import\]|"
    r"use (?:std|::std)::prelude::rust_20\d\d::\*;|#\[allow\(unused_imports\)\]|use ::pyo3::prelude::\*;))+\s*\n"
)
_FENCE = re.compile(r"-{3,}")
_CODE = re.compile(r"E?(\d{1,4})", re.IGNORECASE)
_LOCATION = re.compile(r"--> (?:<stdin>|stdin):(\d+)")


def expand(task: Task) -> str:
    """What the macros made of a cell: Rust, formatted where rustfmt is there.

    Raises:
        PyO3MagicError: the cell does not compile as far as that.
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
    """What clippy says of a cell.

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
    """Rust as rustfmt writes it; ``rustfmt.toml`` is looked for from the notebook's folder upwards.

    Raises:
        ToolchainError: rustfmt is not installed or does not work.
        CellError: the text is no Rust that rustfmt can read.
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
    """A cell's text below its ``%%rust`` line, formatted; front matter stays as it is.

    Raises:
        ToolchainError: rustfmt is not installed.
        CellError: the cell is no Rust that rustfmt can read; nothing changes then.
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
    """The compiler's explanation of an error, in Markdown.

    Raises:
        OptionError: there is no such code.
    """
    match = _CODE.fullmatch(code.strip())
    if match is None:
        raise OptionError(
            f"{code.strip()!r} is not the code of an error.", advice="Write for example %rust_explain E0382."
        )
    name = f"E{int(match[1]):04}"
    environ = {**context.environ, **dict(context.toolchain.variables)}
    answer = ask([context.toolchain.rustc, "--explain", name], environ=environ, timeout=_SECONDS)
    if answer.status != 0 or not answer.stdout.strip():
        raise OptionError(
            f"The compiler has no explanation of {name}.",
            advice="The codes are listed at https://doc.rust-lang.org/error_codes/error-index.html",
        )
    return f"#### {name}\n\n{answer.stdout.strip()}\n"


def find_tool(program: str, component: str, toolchain: Toolchain, environ: Mapping[str, str]) -> Path:
    """A tool of the toolchain; rustup's proxy is none, since it may only say that the tool is missing.

    Raises:
        ToolchainError: it is not installed; the advice says how to install it.
    """
    folders = [toolchain.rustc.parent, toolchain.sysroot / "bin"]
    if component != "clippy":  # which has to be of the very same build as rustc
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
    return str(written or task.options.edition or task.context.edition)


def _front_matter(body: str) -> tuple[str, str]:
    lines = body.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    opening = _FENCE.match(lines[first])
    if opening is None:
        return "", body
    last = next(n for n in range(first + 1, len(lines)) if lines[n].rstrip() == opening[0])
    return "".join(lines[: last + 1]), "".join(lines[last + 1 :])


def _renumbered(text: str, offset: int) -> str:
    """Line numbers in the margin as the cell's editor counts them."""
    return re.sub(
        r"^(\s*)(\d+)( \|)", lambda match: f"{match[1]}{int(match[2]) + offset}{match[3]}", text, flags=re.MULTILINE
    )
