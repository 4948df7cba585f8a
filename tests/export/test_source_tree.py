"""Odd front matter on the way to a package: the tables of a package, without cargo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyo3magic.cell import Options
from pyo3magic.cell.front_matter import CARGO_TABLES
from pyo3magic.cell.toml_types import paths_of
from pyo3magic.compile.prepare import parse_source
from pyo3magic.crate.manifest import make_manifest
from pyo3magic.errors import PyO3MagicError
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.store import Store

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

LOCK = 'version = 4\n\n[[package]]\nname = "pyo3"\nversion = "0.28.0"\n'


def cell(front: str) -> str:
    return f"---\n{front}\n---\npub fn f() {{}}\n"


def _keys() -> list[str]:
    keys = [".".join(path).replace("*", "x") for path in paths_of(CARGO_TABLES)]
    return keys + [
        f"tool.pyo3magic.{key}"
        for key in ("name", "version", "author", "license", "license-files", "readme", "classifiers", "urls", "summary")
    ]


_SCALARS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=8),
    st.sampled_from(["*", "1"]),
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["version", "path", "features", "x", "", "a b"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def _front(key: str, value: Any) -> str:
    table: dict[str, Any] = {}
    inside = table
    *names, last = key.split(".")
    for name in names:
        inside = inside.setdefault(name, {})
    inside[last] = value
    return tomlkit.dumps(table)


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(_keys()), _VALUES)
def test_any_value_at_any_key_is_taken_or_told(key: str, value: Any) -> None:
    try:
        front = _front(key, value)
    except (ValueError, TypeError, tomlkit.exceptions.TOMLKitError):
        return
    try:
        parsed, syntax = parse_source(Options(module="m"), cell(front))
        make_manifest(parsed, edition="2024", pyo3="")
        built = BuiltCell("m", Options(module="m"), cell(front), LOCK, {})
        assemble_package(_CONTEXT[0], (built,), options=MetadataOptions(), available={})
        assert syntax.exports
    except PyO3MagicError as error:
        said = error.message
    else:
        said = "It is taken."
    assert said.endswith((".", ":")) or "\n" in said
    assert said[0].isupper() or said[0] in "`-'["


_CONTEXT: list[Context] = []


@pytest.fixture(autouse=True, scope="module")
def _context(tmp_path_factory: pytest.TempPathFactory) -> None:
    from pyo3magic.environment.context import gather

    _CONTEXT.append(gather(Store(tmp_path_factory.mktemp("fuzz") / "store")))
