from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.cell.syntax import analyse
from pyo3magic.crate import support_files
from pyo3magic.crate.library_source import export_places, library_source
from pyo3magic.diagnostics import Place


def _library(source: str, **options: Any) -> str:
    return library_source(source, analyse(source), **{"module": "cell", **options})


POINT = """\
//! Points of the plane, à la carte.
//!
//! Second paragraph.
#![deny(warnings, missing_docs, unused, nonstandard_style, unsafe_code, unreachable_pub, unused_qualifications)]

use pyo3::exceptions::PyValueError;

/// A point.
#[pyclass(get_all, from_py_object)]
#[derive(Clone)]
struct Point { x: f64, y: f64 }

#[pymethods]
impl Point {
    #[new]
    fn new(x: f64, y: f64) -> Self { Self { x, y } }
    fn length(&self) -> f64 { self.x.hypot(self.y) }
}

#[pyclass(eq, eq_int)]
#[derive(PartialEq)]
enum Côté { Left, Right }

pyo3::create_exception!(cell, Far, PyValueError, "too far");

#[pymodule_export]
const ORIGIN: (f64, f64) = (0.0, 0.0);
#[pymodule_export] #[pyo3(name = "names")] const NAMES: [&str; 2] = ["été", "b"]; /* é */ const _K: &str = "é";

/// Doubled.
#[pyfunction]
#[pyo3(name = "double")]
fn twice(p: &Point) -> Point { Point { x: 2.0 * p.x, y: 2.0 * p.y } }

#[pyfunction]
pub(crate) fn r#type(p: Point) -> PyResult<f64> {
    if p.length() > 10.0 { return Err(Far::new_err("é")); }
    Ok(helpers::identity(p.length()))
}

#[cfg(any())]
#[pyfunction]
fn never() -> i32 { missing() }

#[pyfunction]
fn boom(v: Vec<i32>) -> i32 { print!("no line end"); v[7] }

mod helpers {
    pub(crate) fn identity<T>(x: T) -> T { x }
    // #[pyfunction] fn not_me() {}
}
"""

PLAIN = """\
#![allow(clippy::all)] pub fn first() -> i32 { 1 } // #[pyfunction]
/* #[pyfunction]
   pub fn commented() {} */ pub fn inline() -> &'static str { "é" }
macro_rules! make { ($name:ident) => { pub fn $name() -> i32 { 7 } } }
make!(made); // é
/// Adds.
#[inline]
pub fn add(a: i64, b: i64) -> i64 { a + b + private() } pub fn also() -> i32 { made() }
fn private() -> i64 { 0 }
pub(crate) fn hidden() -> i64 { private() }
pub fn generic<T: ToString>(x: T) -> String { hidden(); x.to_string() }

const TEXT: &str = "
pub fn text() {}
"; pub fn text() -> &'static str { TEXT }
#[cfg(any())]
pub fn never() {}
#[cfg(not(any()))]
pub fn always<'a>(x: &'a str) -> &'a str { x }
pub fn r#loop() -> i32 { 3 } // last"""

# Each is compiled as it stands and must give no warning.
QUIET = {
    "point": POINT,
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "empty": "// nothing yet",
    "prelude": "#![deny(warnings)]\nuse pyo3::prelude::*;\n#[pyfunction]\nfn f() {}",
    "names": "#![deny(warnings)]\npub struct Result; pub struct Python; pub struct PyModule; pub mod std {} pub fn pymodule() {}",
    "shadow": "#![deny(warnings)]\nmod pyo3 {}\nmod core {}\n#[::pyo3::pyfunction]\nfn drop() -> i32 { 1 }\n#[pymodule_export]\nconst K: i32 = 1;",
    "no unsafe": "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#[pyfunction]\nfn f() {}",
    "missing docs": "#![deny(missing_docs)]\n#[pyfunction]\nfn f() {}",
    "function": "#![deny(warnings)]\n#[pyfunction]\nfn f() {}\n#[pymodule]\nfn own(m: &Bound<'_, PyModule>) -> PyResult<()> { m.add_function(wrap_pyfunction!(f, m)?) }",
    "modules": "#![deny(warnings)]\n/// doc\n#[pymodule]\nmod a {\n  #[pymodule_export] const K: i32 = 1;\n  #[pyo3::pymodule] mod b { #[pyo3::pyfunction] fn f() {} }\n}",
    "attributes": '#!/usr/bin/env é\n#![allow(\n  dead_code, // é\n  unused\n)]\n/*! é\n * two\n */\n/*!*/\n#![doc = r#"a "quoted"\nline"#]\nfn f() {}\npub fn g() {}',
}

# (source, the text at the primary error)
BROKEN = {
    "type": (POINT.replace("helpers::identity(p.length())", "helpers::identity(p)"), "p"),
    "name": (POINT.replace("p.x, y:", "p.z, y:"), "z"),
    "after é": (POINT.replace('_K: &str = "é"', '_K: &str = "é".nothing'), "nothing"),
    "return": (PLAIN.replace("a + b + private()", '"wrong"'), '"wrong"'),
    "first line": (PLAIN.replace("i32 { 1 }", "i32 { one }"), "one"),
    "inline": (PLAIN.replace('{ "é" }', "{ missing }"), "missing"),
    "crlf": (PLAIN.replace("\n", "\r\n").replace("{ 3 }", "{ three }"), "three"),
    "unclosed": ("#[pyfunction]\nfn f() -> i32 {\n  1\n", "{"),
}


CRATES = {"pyo3", "pyo3magic_support"}


@dataclass(frozen=True)
class _Rustc:
    folder: Path
    options: tuple[str, ...]

    def messages(self, name: str, source: str, emit: str = "metadata", **options: Any) -> list[dict[str, Any]]:
        file = self.folder / f"{name.replace(' ', '_')}.rs"
        file.write_bytes(_library(source, **options).encode())
        out = self.folder / f"{file.stem}{sysconfig.get_config_var('EXT_SUFFIX') if emit == 'link' else '.rmeta'}"
        kind = ["--edition=2024", "--crate-name=cell", "--crate-type=cdylib", "--error-format=json"]
        command = ["rustc", *self.options, *kind, f"--emit={emit}={out}", str(file)]
        done = subprocess.run(command, stderr=subprocess.PIPE, check=False, text=True, encoding="utf-8")
        found = [json.loads(line) for line in done.stderr.splitlines()]
        return [message for message in found if message.get("spans")]

    def all_messages(self, cells: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
        with ThreadPoolExecutor(2) as pool:
            return dict(zip(cells, pool.map(self.messages, cells, cells.values()), strict=True))

    def load(self, name: str, source: str, **options: Any) -> Any:
        messages = self.messages(name, source, "link", **options)
        assert [message["rendered"] for message in messages] == []
        path = str(self.folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}")
        spec = spec_from_file_location(options.get("module", "cell"), path, loader=ExtensionFileLoader("cell", path))
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def rustc(tmp_path_factory: pytest.TempPathFactory) -> _Rustc:
    """PyO3, compiled once in a target folder that later runs find again."""
    folder = tmp_path_factory.mktemp("cells")
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").touch()
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "cells"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\npyo3 = ">=0.30, <0.31"\n'
        'pyo3magic-support = { path = "support" }\n[profile.dev]\ndebug = false\n',
        encoding="utf-8",
    )
    for name, text in support_files():
        file = folder / "support" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    tag = f"{sys.implementation.cache_tag}-{os.environ.get('USER', '')}"
    target = Path(tempfile.gettempdir()) / f"pyo3magic-tests-{tag}"
    done = subprocess.run(
        ["cargo", "build", "-q", "--message-format=json", f"--target-dir={target}"],
        cwd=folder,
        env={**os.environ, "PYO3_PYTHON": sys.executable, "PYO3_BUILD_EXTENSION_MODULE": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    options = [f"-Ldependency={target / 'debug' / 'deps'}"]
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] in CRATES:
            options += [
                f"--extern={message['target']['name']}={file}"
                for file in message["filenames"]
                if file.endswith(".rlib")
            ]
    return _Rustc(folder, tuple(options))


@pytest.mark.parametrize("source", [*QUIET.values(), *(source for source, _ in BROKEN.values())])
@pytest.mark.parametrize("pyo3", [(0, 30), (0, 22), (0, 20)])
def test_lines_stay_where_they_are(source: str, pyo3: tuple[int, int]) -> None:
    first, *rest = _library(source, pyo3=pyo3).split("\n")
    lines = source.split("\n")
    syntax = analyse(source)
    moved = [(found.start, found.end) for found in syntax.inner_attributes]
    moved += [span for export in syntax.exports for span in export.markers]
    assert first.startswith("#")
    assert len(rest) == len(lines)
    offset = 0
    for written, line in zip(rest, lines, strict=True):
        end = offset + len(line.encode())
        plain = written if "#[::pyo3::pyfunction]" in line else written.replace("#[::pyo3::pyfunction]", "")
        if any(begin <= end and offset < stop for begin, stop in moved) or line.startswith("#!/"):
            assert len(plain) == len(line)
            assert all(new in {old, " "} for new, old in zip(plain, line, strict=True))
        else:
            assert plain == line
        # Where a `#[pyfunction]` was written, only a comment moves, unless an item shares the line with another.
        if plain != written and "} pub fn" not in line and "; pub fn" not in line:
            assert written.partition("#[::pyo3::pyfunction]")[2].lstrip("\r")[:2] in {"", "//"}
        offset = end + 1


def test_moved_attributes_keep_their_order_and_text() -> None:
    first, *rest = _library(QUIET["attributes"]).split("\n")
    assert first.startswith(
        '#![allow( dead_code, unused )] #![doc = "é\\ntwo"] #![doc = ""] #![doc = "a \\"quoted\\"\\nline"] '
    )
    assert rest[5:9] == ["/*  é", " * two", " */", "/* */"]


def test_places_of_what_line_1_mentions() -> None:
    source = "//! doc\n  #![feature(é)] #![allow(\n  unused)]\npub fn f() {}\npub fn r#type() {}"
    assert export_places(source, analyse(source)) == {
        "f": Place(5, 8, 1, "pub fn f() {}"),
        "type": Place(6, 8, 6, "pub fn r#type() {}"),
        "#![feature(é)]": Place(3, 3, 14, "  #![feature(é)] #![allow("),
        "#![allow( unused)]": Place(3, 18, 9, "  #![feature(é)] #![allow("),
    }


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (
            "#[pyfunction]\nfn f() {}",
            '#[pyo3(name = "cell")] mod __pyo3magic_module { #[pymodule_export] use super::f; }',
        ),
        ("#[cfg(unix)]\n#[pyclass]\nstruct P;", "{ #[cfg(unix)] #[pymodule_export] use super::P; }"),
        ('//! a\n//! "b"\n', '#[doc = "a\\n\\"b\\""] '),
        ("fn f() {}", "use ::pyo3::prelude::*;"),
        ("fn f() {}", "extern crate pyo3magic_support as _;"),
    ],
)
def test_generated(source: str, part: str) -> None:
    assert part in _library(source).split("\n")[0]


@pytest.mark.parametrize(
    ("source", "options", "absent"),
    [
        ("fn f() {}", {"support": False}, "pyo3magic_support"),
        ("use pyo3::prelude::*;", {}, "::prelude"),
        ("#[pymodule]\nmod m {}", {}, "__pyo3magic_module"),
        ("pub fn f() {}", {"module": None}, "pymodule"),
        ("pub fn f() {}", {"module": None}, "pyfunction"),
        ("#![forbid(unused)]", {}, "allow"),
    ],
)
def test_not_generated(source: str, options: dict[str, Any], absent: str) -> None:
    assert absent not in _library(source, **options).split("\n")[0]


@pytest.mark.parametrize(
    ("pyo3", "parts"),
    [
        (
            (0, 22),
            [
                "(module: &::pyo3::Bound<'_, ::pyo3::types::PyModule>)",
                "get_type_bound::<Far>()",
                "add_class::<Point>()?",
            ],
        ),
        (
            (0, 20),
            [
                "(_py: ::pyo3::Python<'_>, module: &::pyo3::types::PyModule)",
                "get_type::<Far>()",
                'add("names", NAMES)?',
            ],
        ),
    ],
)
def test_older_pyo3_has_a_function(pyo3: tuple[int, int], parts: list[str]) -> None:
    first = _library(POINT, pyo3=pyo3).split("\n")[0]
    assert all(part in first for part in parts)


@pytest.mark.cargo
def test_no_warnings(rustc: _Rustc) -> None:
    found = rustc.all_messages(QUIET)
    assert {name: [message["rendered"] for message in messages] for name, messages in found.items() if messages} == {}


@pytest.mark.cargo
def test_errors_are_where_the_cell_has_them(rustc: _Rustc) -> None:
    found = rustc.all_messages({name: source for name, (source, _) in BROKEN.items()})
    for name, messages in found.items():
        source, expected = BROKEN[name]
        errors = [message for message in messages if message["level"] == "error"]
        places = []
        spans = [span for span in errors[0]["spans"] if Path(span["file_name"]).parent == rustc.folder]
        for span in spans:
            line = source.split("\n")[span["line_start"] - 2]
            places.append(line[span["column_start"] - 1 : span["column_end"] - 1])
        assert expected in places, (name, errors[0]["rendered"])
        assert all(span["line_start"] > 1 for span in spans)


@pytest.mark.cargo
def test_a_module_with_everything(
    rustc: _Rustc, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUST_BACKTRACE", "0")
    module = rustc.load("everything", POINT, module="geometry_1")
    names = {name for name in vars(module) if not name.startswith("__")}
    assert names == {"Point", "Côté", "Far", "ORIGIN", "names", "double", "type", "boom"}
    assert module.__name__ == "geometry_1"
    assert module.__doc__ == "Points of the plane, à la carte.\n\nSecond paragraph."
    assert module.double(module.Point(3, 4)).length() == 10
    assert module.Point.__doc__ == "A point."
    assert module.names == ["été", "b"]
    with pytest.raises(module.Far, match="é") as caught:
        module.type(module.Point(30, 40))
    assert isinstance(caught.value, ValueError)

    library = ctypes.CDLL(module.__file__)
    library.pyo3magic_panic_place.restype = ctypes.c_size_t
    buffer = ctypes.create_string_buffer(1000)
    said = b"index out of bounds: the len is 0 but the index is 7"
    arguments = (said, buffer, ctypes.c_size_t(1000))
    library.pyo3magic_watch_panics()
    library.pyo3magic_watch_panics()
    assert library.pyo3magic_panic_place(*arguments) == 0
    with pytest.raises(BaseException, match="index out of bounds"):
        module.boom([])
    assert library.pyo3magic_panic_place(b"of another panic", *arguments[1:]) == 0
    assert capfd.readouterr().err == "", "the exception tells of the panic"
    library.pyo3magic_flush()
    output = capfd.readouterr()
    assert output.out == "no line end"
    assert output.err.count("panicked in") == 1, "no exception has told of the panic"
    library.pyo3magic_flush()
    assert capfd.readouterr().err == ""
    length = library.pyo3magic_panic_place(*arguments)
    place = re.fullmatch(r"(.*), line (\d+), column (\d+)", buffer.raw[:length].decode())
    assert place is not None
    assert place[0] in output.err
    assert Path(place[1]).name == "everything.rs"
    text = POINT.split("\n")[int(place[2]) - 2]
    assert text[int(place[3]) - 1 :] in {"v[7] }", "[7] }"}  # by rustc version
    assert library.pyo3magic_panic_place(*arguments) == 0

    library.pyo3magic_name_source(place[1].encode(), b"In[3]", 1)
    with pytest.raises(BaseException, match="index out of bounds"):
        module.boom([])
    library.pyo3magic_flush()
    assert f"panicked in In[3], line {int(place[2]) - 1}, column {place[3]}:\nindex out of" in capfd.readouterr().err


@pytest.mark.cargo
def test_a_module_of_plain_functions(rustc: _Rustc) -> None:
    source = PLAIN.replace("pub fn generic", "#[allow(dead_code)] pub fn generic")
    module = rustc.load("functions", source)
    names = {name for name in vars(module) if not name.startswith("__")}
    assert names == {"first", "inline", "add", "also", "text", "always", "loop"}
    assert (module.add(1, 2), module.inline(), module.also(), module.loop()) == (3, "é", 7, 3)
    assert module.add.__doc__ == "Adds."
    assert module.add.__text_signature__ == "(a, b)"


@pytest.mark.cargo
@pytest.mark.parametrize("name", ["function", "modules"])
def test_a_module_of_the_cells_own(rustc: _Rustc, name: str) -> None:
    main = analyse(QUIET[name]).main_module
    module = rustc.load(f"own_{name}", QUIET[name], module=main)
    assert module.__name__ == main
    assert hasattr(module, "f") or module.b.f() is None
