from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "tools"))

from snippets import snippets  # noqa: E402 - what tools/corpus.py uses

_MARKDOWN = """
```rust,no_run
# use pyo3::prelude::*;
#
#[pyfunction]
fn f() {} // # not hidden
## twice
```
```python
no
```
~~~rust,ignore
no
~~~
- a list
  ```rust
  fn g() {}
  ```
```rust,compile_fail
no
```
```
plain Markdown is no Rust
```
"""
_RUST = """
//! ```
//! fn a() {}
//! ```
/// ```rust,edition2021
///     fn b() {}
/// ```
fn code() { let no = "```"; }
"""


@pytest.mark.parametrize(
    ("text", "rust", "expected"),
    [
        (
            _MARKDOWN,
            False,
            [
                (2, "use pyo3::prelude::*;\n\n#[pyfunction]\nfn f() {} // # not hidden\n# twice\n", False),
                (16, "fn g() {}\n", True),
            ],
        ),
        (_RUST, True, [(2, "fn a() {}\n", True), (5, "fn b() {}\n", True)]),
    ],
)
def test_examples_are_found(text: str, rust: bool, expected: list[tuple[int, str, bool]]) -> None:
    assert [(item.line, item.text, item.is_run) for item in snippets(text, rust=rust)] == expected


def test_what_a_reader_sees() -> None:
    (first, _) = snippets(_MARKDOWN, rust=False)
    assert first.visible == "#[pyfunction]\nfn f() {} // # not hidden\n# twice\n"


def test_every_failure_in_the_document_is_explained() -> None:
    text = (_ROOT / "docs" / "corpus.md").read_text(encoding="utf-8")
    assert "UNEXPLAINED" not in text
    assert text.count("\n| [") >= 60


@pytest.mark.cargo
@pytest.mark.slow
def test_a_part_of_the_corpus_runs(store: Path, environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "tools/corpus.py", "--subset", "--store", str(store), "--work", str(tmp_path), "-v"]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line for line in done.stdout.splitlines() if line.startswith("runs ")]
    assert len(ran) >= 14, done.stdout
