"""rustc's JSON, made up and from real runs."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.diagnostics import Diagnostic, from_rustc

Compile = Callable[..., list[Diagnostic]]
RED, BLUE, OFF = "\x1b[1m\x1b[91m", "\x1b[1m\x1b[94m", "\x1b[0m"


def span(
    line: int,
    column: int,
    end: int,
    *,
    primary: bool = True,
    file: str = "src/lib.rs",
    label: str | None = None,
    text: str = "",
    expansion: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "file_name": file,
        "line_start": line,
        "line_end": line,
        "column_start": column,
        "column_end": end,
        "is_primary": primary,
        "label": label,
        "text": [{"text": text, "highlight_start": column, "highlight_end": end}],
        "expansion": expansion,
    }


def message(
    text: str = "wrong",
    *spans: dict[str, Any],
    level: str = "error",
    code: str | None = "E0382",
    rendered: str | None = None,
) -> dict[str, Any]:
    head = f"{level}[{code}]" if code else level
    return {
        "level": level,
        "message": text,
        "code": {"code": code, "explanation": None} if code else None,
        "spans": list(spans),
        "children": [],
        "rendered": rendered if rendered is not None else f"{RED}{head}{OFF}: {text}\n",
    }


def read(obj: dict[str, Any], **options: Any) -> Diagnostic:
    found = from_rustc(obj, **options)
    assert found is not None
    return found


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Compile line 1 and a cell without PyO3, by rustc alone."""
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("rustc is not installed")

    def run(generated: str, cell: str, **options: Any) -> list[Diagnostic]:
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / "lib.rs").write_text(f"{generated}\n{cell}")
        command = [rustc, "--edition=2024", "--crate-type=lib", "--emit=metadata", "src/lib.rs"]
        command += ["--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        found = [from_rustc(json.loads(line), **options) for line in done.stderr.splitlines() if '"diagnostic"' in line]
        return [item for item in found if item is not None]

    return run
