"""Something is missing or wrong: what happened, and what to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Start
    from .kernel import Kernel, Result

pytestmark = pytest.mark.cargo

FINE = "#[pyfunction] fn never_bound() -> i64 { 1 }"


def _refused(shown: Result, kind: str, *phrases: str) -> None:
    """The error is of that kind, says these things, shows no traceback and nothing of ours inside."""
    assert shown.status == "error"
    assert shown.ename == kind, shown.text
    for phrase in phrases:
        assert phrase in shown.text, f"{phrase!r} is not in: {shown.text}"
    assert "Traceback" not in shown.text
    assert "pyo3magic/" not in shown.text


@pytest.mark.parametrize(
    ("line", "body", "kind", "phrases"),
    [
        ("", "// only a comment", "CellError", ["no Rust"]),
        ("", "---\n[dependencies]\n---\n", "CellError", ["no Rust"]),
        ("--colour", FINE, "OptionError", ["--colour", "rust? lists"]),
        ("--debgu", FINE, "OptionError", ["--debgu", "Did you mean --debug?"]),
        ("-m", FINE, "OptionError", ["-m"]),
        ("stray", FINE, "OptionError", ["stray"]),
        ("-m 'unclosed", FINE, "OptionError", ["quot"]),
        ("--edition 2022", FINE, "CellError", ["2022", "2024"]),
        ("-m two-words", FINE, "CellError", ["two-words", "two_words"]),
        ("-m 3d", FINE, "CellError", ["3d", "-m d"]),
        ("-m class", FINE, "CellError", ["class", "class_"]),
        ("-m größe", FINE, "CellError", ["ASCII"]),
        ("-m json", FINE, "ImportConflictError", ["json", "rust_json"]),
        ("-m IPython", FINE, "ImportConflictError", ["IPython", "another module"]),
        ("-m psutil", FINE, "ImportConflictError", ["psutil"]),
        ("-m wanted", "#[pymodule] mod given {}", "CellError", ["'given'", "'wanted'", "-m given"]),
        ("", "---\n[dependencies\n---\n" + FINE, "ManifestError", ["line 3 of the cell", "[dependencies"]),
        ("", "---\n[dependencies]\nx = 1 = 2\n---\n" + FINE, "ManifestError", ["line 4 of the cell", "column 7"]),
        ("", "---\n[dependencies]\n" + FINE, "ManifestError", ["does not end", "line 2"]),
        ("", "---\nserde = '1'\n---\n" + FINE, "ManifestError", ["serde", "[dependencies]"]),
        ("", "---\n[[bin]]\nname = 'x'\n---\n" + FINE, "ManifestError", ["[[bin]]"]),
        ("", "---\ndependencies = 3\n---\n" + FINE, "ManifestError", ["[dependencies]"]),
        ("", "---\n[package]\nrust-version = 'x'\n---\n" + FINE, "ManifestError", ["version requirement", "front matter"]),
        ("-d ''", FINE, "ManifestError", ["-d"]),
        ("-d serde@", FINE, "ManifestError", ["serde@", "after '@'"]),
        ("-d serde@banana", FINE, "ManifestError", ["banana"]),
        ("-d pyo3magic-no-such-crate-at-all", FINE, "DependencyError", ["pyo3magic-no-such-crate-at-all"]),
        ("-d serde@99", FINE, "DependencyError", ["serde", "99"]),
        ("-d serde+nofeature", FINE, "DependencyError", ["nofeature"]),
        ("--features nofeature", FINE, "PyO3MagicError", ["nofeature"]),
        ("--pyo3 0.28 -d numpy@0.30", FINE, "DependencyError", ["only one PyO3", "numpy"]),
        ("--offline -d pyo3magic-never-downloaded", FINE, "DependencyError", ["--offline"]),
        ("", "---\n[dependencies]\nx = { path = 'no/such' }\n---\n" + FINE, "ManifestError", ["no/such", "Cargo.toml"]),
    ],
)  # fmt: skip
def test_refusals(kernel: Kernel, line: str, body: str, kind: str, phrases: list[str]) -> None:
    shown = kernel.run(f"%%rust {line}\n{body}", expect="error")
    if kind == "PyO3MagicError":
        kind = shown.ename if shown.ename.endswith("Error") else kind
    _refused(shown, kind, *phrases)
    assert kernel.value("'never_bound' in globals()") is False


@pytest.mark.parametrize("body", ["", "\n   \n"])
def test_an_empty_cell(kernel: Kernel, body: str) -> None:
    _refused(kernel.run(f"%%rust\n{body}", expect="error"), "CellError", "is empty")
    _refused(kernel.run(f"%%rust -m nothing\n{body}", expect="error"), "CellError", "is empty")
    for text in ("' '", "'\\n\\t'"):
        _refused(
            kernel.run(f"get_ipython().run_cell_magic('rust', '', {text})", expect="error"), "CellError", "is empty"
        )


def test_a_line_magic_without_a_cell(kernel: Kernel) -> None:
    _refused(kernel.run("%rust", expect="error"), "CellError", "%%rust")
    _refused(kernel.run("%rust fn x() {}", expect="error"), "OptionError", "%rust?")


def test_a_loaded_module_of_someone_else_is_not_hidden(kernel: Kernel) -> None:
    kernel.run("import json as before, sys")
    _refused(kernel.rust(FINE, "-m json", expect="error"), "ImportConflictError")
    assert kernel.value("sys.modules['json'] is before, before.dumps([1])") == (True, "[1]")
    (kernel.folder / "beside_the_notebook.py").write_text("value = 1\n")
    _refused(kernel.rust(FINE, "-m beside_the_notebook", expect="error"), "ImportConflictError", "beside_the_notebook")


def test_text_that_is_no_unicode(kernel: Kernel) -> None:
    code = "get_ipython().run_cell_magic('rust', '', 'fn x() {}\\n// \\ud800')"
    _refused(kernel.run(code, expect="error"), "CellError", "Line 3 of the cell", "UTF-8")
    code = "get_ipython().run_cell_magic('rust', '', 'fn x() {} // \\0')"
    _refused(kernel.run(code, expect="error"), "CellError", "NUL")


def _without_rust(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine that has no Rust: an empty home, and PATH with what else is needed."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cc", "gcc", "ld", "as", "ar", "sh", "env"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    (tmp_path / "home").mkdir()
    return {
        "PATH": str(tools),
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home" / "cache"),
        "PYO3MAGIC_STORE": str(tmp_path / "store"),
    }


def _real(tool: str) -> Path:
    """The executable behind rustup's proxy."""
    import subprocess

    root = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(root) / "bin" / tool


def test_no_cargo(start: Start, tmp_path: Path) -> None:
    kernel = start(**_without_rust(tmp_path), CARGO_HOME=None, RUSTUP_HOME=None, CARGO=None, RUSTC=None)
    shown = kernel.rust(FINE, expect="error")
    _refused(shown, "ToolchainError", "cargo", "rustup", "%pyo3_info --install")
    assert "____" not in shown.text
    assert "was not found" in kernel.run("%pyo3_info").text
    report = kernel.value("%pyo3_info --json")
    assert report["ready"] is False


def test_a_rustc_that_is_too_old(start: Start, tmp_path: Path) -> None:
    variables = _without_rust(tmp_path)
    tools = Path(variables["PATH"])
    (tools / "cargo").write_text('#!/bin/sh\necho "cargo 1.60.0 (d1fd9fe 2022-03-01)"\n')
    (tools / "rustc").write_text(
        "#!/bin/sh\nprintf 'rustc 1.60.0 (7737e0b5c 2022-04-04)\\nbinary: rustc\\ncommit-hash: 7737e0b5c\\n"
        "host: x86_64-unknown-linux-gnu\\nrelease: 1.60.0\\n'\n"
    )
    for name in ("cargo", "rustc"):
        (tools / name).chmod(0o755)
    kernel = start(**variables, CARGO_HOME=None, RUSTUP_HOME=None, CARGO=None, RUSTC=None)
    _refused(kernel.rust(FINE, expect="error"), "ToolchainError", "1.60.0", "1.85")


def test_no_linker(start: Start, tmp_path: Path) -> None:
    variables = _without_rust(tmp_path)
    tools = Path(variables["PATH"])
    for name in ("cc", "gcc"):
        (tools / name).unlink(missing_ok=True)
    for name in ("cargo", "rustc"):
        (tools / name).symlink_to(_real(name))
    home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    kernel = start(**{**variables, "CARGO_HOME": home})
    shown = kernel.rust(FINE, expect="error")
    _refused(shown, "ToolchainError", "linker `cc`", "install", "gcc")
    assert "not found" in kernel.run("%pyo3_info").text


def test_the_doctor_when_all_is_well(kernel: Kernel) -> None:
    report = kernel.value("%pyo3_info --json")
    assert report["ready"] is True
    assert {"pyo3magic", "Python", "cargo", "rustc", "linker", "store", "pyo3"} <= {
        f["name"] for f in report["findings"]
    }
    assert "✓ rustc" in kernel.run("%pyo3_info").text
