from __future__ import annotations

import json
from pathlib import Path

from pyo3magic.compile.rustc_line import Invocation
from pyo3magic.compile.shared_runtime import _groups as groups
from pyo3magic.compile.shared_runtime import compiler_line, explain_failure
from pyo3magic.errors import DependencyError
from pyo3magic.process import Finished
from pyo3magic.store import digest_libraries

LOCK = """
[[package]]
name = "a-b"
dependencies = ["shared"]
[[package]]
name = "c"
dependencies = ["shared 1.0.0"]
[[package]]
name = "d"
dependencies = ["pyo3"]
[[package]]
name = "pyo3"
dependencies = ["libc"]
[[package]]
name = "libc"
[[package]]
name = "shared"
"""


def test_groups_of_dependencies_have_nothing_in_common_but_pyo3() -> None:
    assert groups(LOCK, (("a_b", "a_b"), ("c", "c"), ("d", "d"))) == (("a_b", "c"), ("d",))
    assert groups(LOCK, (("renamed", "a_b"), ("c", "c"))) == (("c", "renamed"),)


def test_the_compiler_line_of_a_dylib() -> None:
    words = "rustc --crate-name cell --edition=2024 src/lib.rs --crate-type cdylib -C lto=thin -C metadata=1 "
    words += "-C extra-filename=-1 --out-dir /old -C opt-level=3 --extern pyo3=/x.rlib"
    invocation = Invocation(tuple(words.split()), {}, "", {})
    line = compiler_line(invocation, "new", "dylib", Path("src/new.rs"), Path("/new"))
    assert line == [
        "rustc",
        "--edition=2024",
        "-C",
        "opt-level=3",
        "--extern",
        "pyo3=/x.rlib",
        "--crate-name",
        "new",
        "--crate-type",
        "dylib",
        "--out-dir",
        "/new",
        "-C",
        "prefer-dynamic",
        "-C",
        "metadata=new",
        "src/new.rs",
    ]


def test_why_a_link_failed() -> None:
    said = json.dumps({"rendered": "error: cannot satisfy dependencies so `hex` only shows up once"})
    error = explain_failure(Finished(1, "", said), ["a", "b"])
    assert isinstance(error, DependencyError)
    assert "a, b" in error.message
    assert "--force" in explain_failure(Finished(1, "", "ld: gone"), []).advice


def test_a_changed_library_is_read_again(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(b"one")
    (tmp_path / "record.txt").touch()
    first = digest_libraries(tmp_path)
    assert digest_libraries(tmp_path) == first
    library.write_bytes(b"two!")
    assert digest_libraries(tmp_path) != first
