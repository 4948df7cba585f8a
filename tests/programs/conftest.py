"""A session on the shared warm store, in this process."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.diagnostics import render_text
from pyo3magic.environment.toolchain_search import find_toolchain
from pyo3magic.errors import ToolchainError
from pyo3magic.programs.request import Request
from pyo3magic.programs.run import Answer, perform
from pyo3magic.programs.tools import find_tool
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyo3magic.diagnostics import Diagnostic

LABEL = "In[3]"


@dataclass
class Cells:
    """Does with cells what `%%rust` with an option does."""

    session: Session
    warnings: str = ""
    built: list[str] = field(default_factory=list)

    def perform(self, body: str, request: Request, **options: Any) -> Answer:
        return perform(self.session, Options(**options), body, request, label=LABEL, built=self._built)

    def bin(self, body: str, *arguments: str, **options: Any) -> Answer:
        return self.perform(body, Request("bin", arguments=arguments), **options)

    def test(self, body: str, filter: str = "", *arguments: str, doc: bool = False, **options: Any) -> Answer:  # noqa: A002
        return self.perform(body, Request("test", filter=filter, doc=doc, arguments=arguments), **options)

    def emit(self, body: str, kind: str, function: str = "", **options: Any) -> Answer:
        return self.perform(body, Request("emit", kind=kind, function=function), **options)

    def _built(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.warnings = render_text(diagnostics, LABEL)


def find_tools() -> dict[str, str] | None:
    """Variables with which a toolchain is found that has rustfmt and clippy: this one, or the one that .ci/cross made."""
    for variables in ({}, {"RUSTC": os.environ.get("PYO3MAGIC_CROSS_RUSTC", "")}):
        environ = {**os.environ, **variables}
        with contextlib.suppress(ToolchainError):
            toolchain = find_toolchain(directory=Path.cwd(), environ=environ)
            find_tool("rustfmt", "rustfmt", toolchain, environ)
            find_tool("clippy-driver", "clippy", toolchain, environ)
            return variables
    return None


@pytest.fixture(scope="session")
def tools() -> dict[str, str]:
    """Those variables; without them the test is skipped, or fails where all that tests need should be there."""
    found = find_tools()
    if found is None:
        message = "there is no rustfmt and no clippy: rustup component add rustfmt clippy"
        (pytest.fail if "CI" in os.environ else pytest.skip)(message)
    return found


@pytest.fixture
def cells(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    """Cells in a session of their own, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUST_BACKTRACE", "0")
    session = Session(Store(store))
    yield Cells(session)
    session.close()
