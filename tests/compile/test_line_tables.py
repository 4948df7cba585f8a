"""A stored cell is compiled again, to the same machine code, with line tables."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build
from pyo3magic.compile.line_tables import compile_with_lines
from pyo3magic.session.crash_lines import has_lines, same_code
from pyo3magic.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.cargo, pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")]


def test_the_machine_code_is_the_same(store: Path, tmp_path: Path) -> None:
    artifact = build("pub fn seven_with_lines() -> u8 { 7 }", store=store).artifact
    libraries = [*compile_with_lines(Store(store), artifact, os.environ, tmp_path)]
    assert all(map(has_lines, libraries))
    assert not has_lines(artifact.file)
    # The same package with other options may have been built, too.
    assert any(same_code(library, artifact.file) for library in libraries)


def test_without_a_recorded_command_nothing_is_compiled(store: Path, tmp_path: Path) -> None:
    artifact = build("pub fn eight_with_lines() -> u8 { 8 }", store=store).artifact
    assert [*compile_with_lines(Store(tmp_path / "other"), artifact, os.environ, tmp_path)] == []
