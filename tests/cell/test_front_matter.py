"""Front matter with odd values: a sentence with a line and a cure, never an error of Python."""

from __future__ import annotations

import ast
import functools
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyo3magic
from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.front_matter import CARGO_TABLES
from pyo3magic.cell.toml_types import paths_of
from pyo3magic.cell.tool_table import METADATA_KEYS, check_tool_table
from pyo3magic.crate import make_manifest, package_dependencies
from pyo3magic.errors import ManifestError, PyO3MagicError
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.metadata_sources import make_metadata

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOMS = ("cell", "crate", "export", "compile", "programs")
_VALUES = (
    *('""', '"x"', '"1.0"', '"a\\u0000b"', '"\\n"', '".."', '"/etc/passwd"', '"~nosuchuser/x"', '"é <é@é>"', "5", "-1"),
    *("1.5", "nan", "inf", "true", "false", "1979-05-27T07:32:00Z", "1979-05-27", "07:32:00", "[]", '["x"]', "[1]"),
    *("[[]]", "[{}]", "{}", "{ x = 1 }", "{ path = 5 }", "{ workspace = true }", '{ path = "~nosuchuser" }'),
    *(f'"{"1" * 5000}"', f'"{"y" * 5000}"', "9" * 5000, "[" * 60 + "]" * 60, "[" * 5000 + "]" * 5000),
)
"""Each type of TOML values; empty, odd, huge and deep ones among them."""


def _use(front: str, folder: Path) -> None:
    """Do with front matter what a build and an export do before cargo starts."""
    cell = parse_cell(Options(), f"---\n{front}\n---\npub fn f() {{}}")
    manifest = make_manifest(cell, edition="2024", pyo3_features=("multiple-pymethods",), base=folder)
    (folder / "Cargo.toml").write_text(manifest.text, encoding="utf-8")
    assert manifest.dependencies_digest
    package_dependencies(folder)
    check_tool_table(cell)
    make_metadata(MetadataOptions(), cell.front_matter, module="m", directory=folder).text()


def _failure(action: Callable[[], object]) -> PyO3MagicError | None:
    """The error of this package that an action ends with; any other error goes on."""
    try:
        action()
    except PyO3MagicError as error:
        return error
    return None


def _check(action: Callable[[], object]) -> None:
    """An action has an effect, or an error with a sentence and advice."""
    if error := _failure(action):
        assert error.message.rstrip().endswith((".", "^")), error.message
        assert error.advice, error.message
        assert len(str(error)) < 2000


@pytest.mark.parametrize(
    ("front", "line", "said", "advice"),
    [
        ("[profile]\nrelease = 1", 4, "profile.release has to be a table, not 1", "[profile.release]"),
        (
            "[[dependencies.pyo3]]",
            3,
            "dependencies.pyo3 has to be a string or a table, not an array of tables",
            "pyo3 =",
        ),
        ("[dependencies]\n\nx = { path = 5 }", 5, "dependencies.x.path has to be a string", 'path = "'),
        ("[lib]\ncrate-type = 4", 4, "lib.crate-type has to be an array of strings, not 4", 'crate-type = ["'),
        ("[dependencies]\nrand = 0.9", 4, "dependencies.rand has to be a string or a table, not 0.9", 'rand = "1.0"'),
        ("package = 1979-05-27", 3, "package has to be a table, not 1979-05-27", "[package]"),
        ('[package]\nname = "a\\u0000"', 4, "package.name contains a NUL character", "Remove"),
        ("[features]\nfast = true", 4, "features.fast has to be an array of strings, not true", "fast = ["),
        (
            '[target."cfg(unix)"]\ndependencies = 5',
            4,
            "target.'cfg(unix)'.dependencies has to be a table",
            "Write a line",
        ),
        ('rand = "0.9"', 3, "the front matter has 'rand' outside any table", "[dependencies]"),
        ('[package]\ndescription = "a\\u0000b"', 4, "package.description contains a NUL character", "Remove"),
        ('[dependencies]\n"a\\u0000b" = "1"', 4, "dependencies.a?b contains a NUL character", "Remove"),
        ('\n[[bin]]\nname = "x"', 4, "a [[bin]] table, but a cell is one library", "Leave the table out"),
    ],
)
def test_a_wrong_value_has_its_line(front: str, line: int, said: str, advice: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_cell(Options(), f"---\n{front}\n---\npub fn f() {{}}")
    assert caught.value.message.startswith(f"Line {line} of the cell: ")
    assert said in caught.value.message
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("x = " + "9" * 5000, "a number is too long"),
        ("x = " + "[" * 5000, "more than 50 levels deep"),
        (".".join("x" * 3000) + " = 1", "more than 1000 dots (line 3 of the cell)"),
        ("#" * 300_000, "300001 characters"),
        ("#" * 200_000, "on line 2 of the cell has 200001 characters, and may have 100000"),
        ("[package.metadata]\n" + "".join(f"k{i} = 1\n" for i in range(1001)), "a table with 1001 keys"),
    ],
)
def test_huge_and_deep_front_matter(front: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_cell(Options(), f"---\n{front}\n---\npub fn f() {{}}")
    assert said in caught.value.message


def test_a_home_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(PyO3MagicError, match="this machine has no user of that name"):
        _use('[dependencies]\nx = { path = "~nosuchuser/x" }', tmp_path)


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ('[tool.pyo3magic]\nname = "x"\nlicense-files = 5', "Line 5 of the cell: .* license-files = 5"),
        ('[tool.pyo3magic]\nnmae = "x"', "Line 4 of the cell: .* unknown key 'nmae'"),
        ('[tool.pyo3magic]\nlicense-files = ["../LICENSE"]', "The licence file '../LICENSE' is outside the project"),
        ('[tool.pyo3magic]\nlicense-files = [".."]', "is outside the project"),
        ('[tool.pyo3magic]\nlicense-files = ["/etc/hosts"]', "is outside the project"),
        ('[tool.pyo3magic]\nlicense-files = ["a/L", "b/L"]', "Two licence files are called L"),
        ('[package]\nreadme = "../README.md"', "The readme '../README.md' is outside the project"),
        ('[package]\nreadme = "a\\u0000.md"', "package.readme contains a NUL character"),
        ('[tool.pyo3magic]\nauthor = "a <b@c d>"', "is not an author"),
        ("[package]\nversion = '" + "1" * 5000 + "'", "The version has more than 500 characters"),
    ],
)
def test_metadata(front: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PyO3MagicError, match=said) as caught:
        _use(front, tmp_path)
    assert caught.value.advice


def test_values_of_the_workspace_are_cargos_business(tmp_path: Path) -> None:
    _use('[workspace.package]\nversion = "1.2.3"\n[package]\nversion.workspace = true\nreadme = false', tmp_path)


def _keys() -> list[tuple[str, ...]]:
    """Every key that is read, with names in place of ``*``."""
    names = {"patch": "crates-io", "profile": "release", "target": "cfg(unix)", "dependencies": "pyo3"}
    paths = [*paths_of(CARGO_TABLES), *(("tool", "pyo3magic", key) for key in METADATA_KEYS)]
    return [
        tuple(names.get(path[i - 1], "rand") if key == "*" else key for i, key in enumerate(path)) for path in paths
    ]


@pytest.mark.slow
def test_every_type_at_every_key(tmp_path: Path) -> None:
    for path, value in itertools.product(_keys(), _VALUES):
        front = ".".join(repr(key) if "(" in key else key for key in path) + f" = {value}"
        try:
            _check(functools.partial(_use, front, tmp_path))
        except Exception as error:
            raise AssertionError(front[:200]) from error


def _words() -> list[str]:
    """The words in the code by which a value can be looked up: ``x["word"]``, ``x.get("word")``, ``"word" in x``."""
    words: set[Any] = set()
    root = Path(pyo3magic.__file__).parent
    for path in (path for room in _ROOMS for path in (root / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Subscript(slice=ast.Constant(value=word)) | ast.Compare(left=ast.Constant(value=word)):
                    words.add(word)
                case ast.Call(
                    func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[ast.Constant(value=word), *_]
                ):
                    words.add(word)
    return sorted(word for word in words if isinstance(word, str) and word.replace("-", "").replace("_", "").isalpha())


_TABLES = sorted({path[:depth] for path in _keys() for depth in range(1, len(path) + 1)})


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_TABLES), st.sampled_from(_words()), st.sampled_from(_VALUES)), min_size=1, max_size=2
    )
)
def test_every_word_of_the_code_in_every_table(entries: list[tuple[tuple[str, ...], str, str]]) -> None:
    tables: dict[str, str] = {}
    for table, word, value in entries:
        header = ".".join(repr(key) if "(" in key else key for key in table)
        tables[header] = tables.get(header, "") + f"{word} = {value}\n"
    with tempfile.TemporaryDirectory() as folder:
        front = "\n".join(f"[{header}]\n{text}" for header, text in tables.items())
        _check(lambda: _use(front, Path(folder)))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=200), st.booleans())
def test_any_text_is_a_cell_or_an_error_with_advice(text: str, in_front_matter: bool) -> None:
    body = f"---\n{text}\n---\nfn f() {{}}" if in_front_matter else text
    _check(lambda: parse_cell(Options(), body))
