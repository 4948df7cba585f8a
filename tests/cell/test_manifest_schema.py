"""Values of the wrong type in front matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.manifest_schema import SCHEMA
from pyo3magic.compile.prepare import parse_source
from pyo3magic.crate.manifest import make_manifest
from pyo3magic.errors import ManifestError, PyO3MagicError
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.store import Store

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

LOCK = 'version = 4\n\n[[package]]\nname = "pyo3"\nversion = "0.28.0"\n'


def cell(front: str) -> str:
    return f"---\n{front}\n---\npub fn f() {{}}\n"


@pytest.mark.parametrize(
    ("front", "said", "advice"),
    [
        (
            "[profile]\nrelease = 1",
            "Line 4 of the cell: `profile.release` is the number 1, but must be a table.",
            "[profile.release]",
        ),
        (
            "[[dependencies.pyo3]]",
            "Line 3 of the cell: `dependencies.pyo3` is a list, not of strings, but must be a version or a table.",
            'pyo3 = "1"',
        ),
        (
            "[dependencies]\nx = { path = 5 }",
            "`dependencies.x.path` is the number 5, but must be a string.",
            'path = "text"',
        ),
        ("[lib]\ncrate-type = 4", "`lib.crate-type` is the number 4, but must be a list of strings.", '["one", "two"]'),
        ("[dependencies]\nx = true", "`dependencies.x` is true, but must be a version or a table.", ""),
        ("dependencies = []", "`dependencies` is a list of strings, but must be a table.", "`[dependencies]`"),
        (
            "[package]\nreadme = 1979-05-27",
            "`package.readme` is the value 1979-05-27, but must be a string, true or false.",
            "",
        ),
        ("[target.'cfg(unix)'.dependencies]\nx = 1.5", "`target.cfg(unix).dependencies.x` is the value 1.5", ""),
        (
            '[package]\ndescription = "a\\u0000b"',
            "Line 4 of the cell: `package.description` contains a NUL character.",
            "Remove",
        ),
        ('[dependencies]\n"a\\u0000b" = "1"', "`dependencies.a?b` contains a NUL character.", "Remove"),
    ],
)
def test_a_wrong_type_is_told_with_its_line(front: str, said: str, advice: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_cell(Options(), cell(front))
    assert said in caught.value.message
    assert advice in caught.value.advice


def test_right_types_pass() -> None:
    front = (
        '[package]\nname = "x"\nreadme = false\nauthors = ["Ada"]\n[dependencies]\na = "1"\n'
        'b = { version = "1", features = ["f"], default-features = false }\n[profile.release]\nlto = true\n'
        '[lib]\ncrate-type = ["cdylib"]\n[features]\ndefault = []\n[tool.other]\nx = 1\n'
    )
    assert parse_cell(Options(), cell(front)).front_matter["dependencies"]["a"] == "1"


def _keys() -> list[str]:
    return [key.replace("*", "x") for key in SCHEMA] + [
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
