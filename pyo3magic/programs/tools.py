"""What comes with the compiler: expanded macros, rustfmt, clippy and the explanation of an error's code."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.cell import parse_cell
from pyo3magic.crate.lock import locked_version
from pyo3magic.crate.source import library_source
from pyo3magic.errors import CellError, OptionError, ToolchainError
from pyo3magic.process import ask
from pyo3magic.toolchain.examine import is_proxy

from .variants import compile_variant, make_subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.cell import Options
    from pyo3magic.context import Context
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.store import Artifact
    from pyo3magic.toolchain import Toolchain

__all__ = ["expand", "explain", "find_tool", "format_cell", "format_rust", "lint"]

_SECONDS = 60.0
_UNSTABLE = {"RUSTC_BOOTSTRAP": "1"}
"""Lets a stable compiler take ``-Z`` options (unstable book); for one compilation that nothing else depends on."""

_PREAMBLE = re.compile(
    r"\A(?:\s*(?:#!\[feature\(prelude_import\)\]|#!\[no_std\]|extern crate std;|#\[macro_use\]|#\[prelude_import\]|"
    r"use (?:std|::std)::prelude::rust_20\d\d::\*;|#\[allow\(unused_imports\)\]|use ::pyo3::prelude::\*;))+\s*\n"
)
_FENCE = re.compile(r"-{3,}")
_CODE = re.compile(r"E?(\d{1,4})", re.IGNORECASE)
_LOCATION = re.compile(r"--> (?:<stdin>|stdin):(\d+)")


def expand(context: Context, options: Options, body: str, cells: Mapping[str, Artifact]) -> str:
    """What the macros made of a cell: Rust, formatted where rustfmt is there.

    Raises:
        PyO3MagicError: the cell does not compile as far as that.
    """
    subject = make_subject(context, options, body, cells)
    cell = parse_cell(options, body)
    pyo3 = locked_version(subject.crate.lock, "pyo3") or (0, 30)
    source = library_source(cell.source, subject.syntax, module=None, pyo3=(pyo3[0], pyo3[1]), support=False)
    subject = dataclasses.replace(subject, crate=dataclasses.replace(subject.crate, source=source))
    with context.store.workspace() as workspace:
        done = compile_variant(subject, workspace, emit="metadata", more=["-Zunpretty=expanded"], variables=_UNSTABLE)
    text = _PREAMBLE.sub("", done.stdout)
    try:
        return format_rust(context, text, edition=_edition(options, context))
    except (ToolchainError, CellError):
        return text


def lint(
    context: Context, options: Options, body: str, cells: Mapping[str, Artifact], more: Sequence[str] = ()
) -> tuple[Diagnostic, ...]:
    """What clippy says of a cell.

    Args:
        context: where and with what to build.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        cells: the session's cells by name.
        more: lint levels, for example ``-Wclippy::pedantic``.

    Raises:
        ToolchainError: clippy is not installed.
        CompileError: the cell does not compile, or a lint is denied.
    """
    driver = find_tool("clippy-driver", "clippy", context.toolchain, context.environ)
    subject = make_subject(context, options, body, cells)
    with context.store.workspace() as workspace:
        done = compile_variant(
            subject,
            workspace,
            emit="metadata",
            more=more,
            through=[driver],
            variables={"CLIPPY_CONF_DIR": str(context.directory), "CARGO_PRIMARY_PACKAGE": "1"},
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
        done = subprocess.run(
            [program, "--edition", edition, "--color", "never"],
            input=text.encode(),
            capture_output=True,
            cwd=context.directory,
            env={**context.environ, **dict(context.toolchain.variables)},
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"rustfmt does not work: {error}.", advice="Try `rustfmt --version`.") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        first = said.partition("\n")[0].removeprefix("error: ")
        raise CellError(f"rustfmt cannot read the cell: {first}.", advice=said, details=said)
    return done.stdout.decode()


def format_cell(context: Context, options: Options, body: str, *, label: str) -> str:
    """A cell's text below its ``%%rust`` line, formatted; front matter stays as it is.

    Raises:
        ToolchainError: rustfmt is not installed.
        CellError: the cell is no Rust that rustfmt can read; nothing changes then.
    """
    parse_cell(options, body)
    head, rust = _front_matter(body)
    offset = head.count("\n") + 1
    try:
        formatted = format_rust(context, rust, edition=_edition(options, context))
    except CellError as error:
        lines = _LOCATION.sub(lambda match: f"--> {label}:{int(match[1]) + offset}", error.details)
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
    if answer.returncode != 0 or not answer.stdout.strip():
        raise OptionError(
            f"The compiler has no explanation of {name}.",
            advice="The codes are listed at https://doc.rust-lang.org/error_codes/error-index.html",
        )
    return f"#### {name}\n\n{answer.stdout.strip()}\n"


def find_tool(program: str, component: str, toolchain: Toolchain, environ: Mapping[str, str]) -> Path:
    """A tool of the toolchain; rustup's proxy alone is none, since it only says that the tool is missing.

    Raises:
        ToolchainError: it is not installed; the advice says how to install it.
    """
    folders = [toolchain.sysroot / "bin", toolchain.rustc.parent]
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


def _edition(options: Options, context: Context) -> str:
    return options.edition or context.edition


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
