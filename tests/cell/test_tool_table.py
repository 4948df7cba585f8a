from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pyo3magic.cell.tool_table import METADATA_KEYS, check_metadata
from pyo3magic.errors import OptionError

RIGHT: dict[str, Any] = {
    **dict.fromkeys(("name", "version", "summary", "description", "license", "requires-python", "author"), "text"),
    "license-file": ["text"],
    "license-files": ["text"],
    "classifiers": ["text"],
    "dependencies": ["text"],
    "authors": ["Ada"],
    "keywords": ("a", "b"),
    "urls": {"Homepage": "https://example.org"},
    "readme": True,
}


def test_every_key_with_a_right_value() -> None:
    check_metadata(RIGHT)
    check_metadata({})
    assert set(RIGHT) == set(METADATA_KEYS)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"nmae": "x"}, ("The setting PyO3Magic.metadata", "'nmae'", "Did you mean 'name'?")),
        ({"licence": "MIT"}, ("'licence'", "Did you mean 'license'?")),
        ({"zzz": 1}, ("'zzz'", "The keys are name, ")),
        *(({key: 1}, (f"{key} = 1", "a string")) for key in ("name", "version", "summary", "description", "license")),
        *(({key: 1}, (f"{key} = 1", "a list of strings")) for key in ("authors", "classifiers", "license-files")),
        ({"keywords": ["a", 1]}, ("keywords = ['a', 1]", "a list of strings")),
        ({"readme": 1}, ("readme = 1", "the path of a file")),
        ({"urls": "https://example.org"}, ("urls = ", "a table of labels and addresses")),
        ({"urls": {"Homepage": 1}}, ("urls = ", "a table of labels and addresses")),
    ],
)
def test_what_is_wrong_is_refused(table: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(OptionError) as raised:
        check_metadata({**RIGHT, **table})
    assert all(word in str(raised.value) for word in words)


def test_checking_a_setting_imports_nothing_heavy() -> None:
    code = (
        "import sys, pyo3magic.cell; before = set(sys.modules); import pyo3magic.cell.tool_table\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pyo3magic.cell.tool_table" in done.stdout
    assert not any(name in done.stdout for name in ("packaging", "tomlkit", "tree_sitter", "pyo3magic.export"))
