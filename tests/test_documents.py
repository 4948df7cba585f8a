"""The documents quote what the software says, and name what exists."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_DOCUMENTS = sorted(path for path in [*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")] if path.name != "corpus.md")
_FIXED = 10
"""How many characters of a message's fixed text have to be found in a quotation."""


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def quotations(text: str) -> list[str]:
    """The messages that a document quotes: sentences in quotation marks, and code in bold type."""
    quoted = [" ".join(words.split()) for words in re.findall(r'"([^"\n]+(?:\n[^"\n]+)?)"', text)]
    sentences = [words for words in quoted if len(words.split()) > 2 and words[0].isupper()]
    return sentences + [words for words in re.findall(r"\*\*`([^`]+)`\*\*", text) if len(words.split()) > 2]


@lru_cache
def messages() -> list[list[str]]:
    """Each text in the package's sources, as the fixed parts between what is filled in."""
    found = []
    for path in (_ROOT / "pyo3magic").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values]
                found.append([" ".join(part.split()) for part in parts])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append([" ".join(part.split()) for part in re.split(r"\{\w*\}", node.value)])
    return found


def is_said(quotation: str) -> bool:
    """Whether the package has a message of these words."""
    return any(
        quotation in " ".join(parts) or any(len(part) >= _FIXED and part in quotation for part in parts)
        for parts in messages()
    )


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_quoted_messages_exist(path: Path) -> None:
    assert [words for words in quotations(prose(path)) if not is_said(words)] == []


def test_a_message_that_the_code_no_longer_has_is_found() -> None:
    text = 'It says "Waiting for another build" or "Waiting for the neighbours to finish".'
    assert [words for words in quotations(text) if not is_said(words)] == ["Waiting for the neighbours to finish"]


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_files_of_the_package_that_are_named_exist(path: Path) -> None:
    if path.parent.name == "decisions" or path.name == "CHANGELOG.md":
        pytest.skip("tells of the past")
    named = re.findall(r"`((?:pyo3magic|tests|tools|benchmarks|docs|notebooks)/[\w./-]+)`", prose(path))
    assert [name for name in named if not (_ROOT / name).exists() and name != "benchmarks/results"] == []


def test_the_tests_that_documents_name_exist() -> None:
    named = [
        found.groups()
        for path in _DOCUMENTS
        for found in re.finditer(r"`(tests/[\w/]+\.py)::(\w+)`", path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 5
    missing = [name for file, name in named if f"def {name}(" not in (_ROOT / file).read_text(encoding="utf-8")]
    assert missing == []
