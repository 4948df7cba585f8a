import json
from typing import Any

import pytest

from pyo3magic.diagnostics import Diagnostic, Span


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("E0382", "https://doc.rust-lang.org/error_codes/E0382.html"),
        ("clippy::needless_return", "https://rust-lang.github.io/rust-clippy/stable/index.html#needless_return"),
        ("unused_variables", None),
        (None, None),
    ],
)
def test_explanation_url(code: str | None, url: str | None) -> None:
    assert Diagnostic("error", "x", code).explanation_url == url


def test_json_round_trip() -> None:
    found = Diagnostic(
        "warning", "unused", "unused_variables", "w\n", (Span(1, 2, 3, 4, is_primary=True, label="l"),), echo=True
    )
    assert Diagnostic.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, Diagnostic("error", "")),
        ({"level": "warning", "message": "m", "from_the_future": 1}, Diagnostic("warning", "m")),
        ({"message": "m", "spans": None}, Diagnostic("error", "m")),
        ({"message": "m", "spans": [{"line": 1}, "junk"]}, Diagnostic("error", "m")),
        (
            {"message": "m", "spans": [{"line": 1, "column": 2, "end_line": 1, "end_column": 3, "new": 0}]},
            Diagnostic("error", "m", spans=(Span(1, 2, 1, 3),)),
        ),
    ],
)
def test_from_dict_is_tolerant(data: dict[str, Any], expected: Diagnostic) -> None:
    assert Diagnostic.from_dict(data) == expected
