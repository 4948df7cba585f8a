"""A later cell uses an earlier one, and the Python types are the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stores import for_copies

if TYPE_CHECKING:
    from .conftest import Start
    from .kernel import Kernel

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.skipif(sys.platform == "win32", reason="dylibs share no types on Windows; see test_vendored.py"),
]

POINT = """
#[pyclass(from_py_object)] #[derive(Clone)] pub struct Point { #[pyo3(get)] pub x: f64 }
#[pymethods] impl Point { #[new] pub fn new(x: f64) -> Self { Self { x } } }
"""


def run_rust(kernel: Kernel, body: str, line: str = "") -> str:
    """Run a cell; what the user calls it."""
    kernel.rust(body, line)
    return f"In[{kernel.value('get_ipython().displayhook.prompt_count') - 1}]"


@pytest.fixture(scope="module")
def shapes(kernel: Kernel) -> Kernel:
    """A kernel with a cell of everything that can cross."""
    kernel.rust(
        POINT
        + """
        pub const ORIGIN: f64 = 0.5;
        pub static NAME: &str = "shapes";
        pub trait Area { fn area(&self) -> f64; fn double(&self) -> f64 { 2.0 * self.area() } }
        impl Area for Point { fn area(&self) -> f64 { self.x * self.x } }
        pub struct Plain<T> { pub inner: T }
        impl<T: Clone> Plain<T> { pub fn both(&self) -> (T, T) { (self.inner.clone(), self.inner.clone()) } }
        pub enum Kind { Small, Large(f64) }
        pub mod nested { pub fn three() -> i64 { 3 } pub mod deeper { pub type Real = f64; } }
        pub fn apply<T, F: Fn(T) -> T>(value: T, function: F) -> T { function(value) }
        pub fn boxed() -> Box<dyn Area + Send> { Box::new(Point { x: 3.0 }) }
        #[inline] pub fn inlined(x: f64) -> f64 { x + ORIGIN }
        #[macro_export] macro_rules! point { ($x:expr) => { $crate::Point { x: $x } } }
        thread_local! { static COUNT: std::cell::Cell<i64> = const { std::cell::Cell::new(0) } }
        pub fn count() -> i64 { COUNT.with(|count| { count.set(count.get() + 1); count.get() }) }
        #[pyfunction] pub fn counted() -> i64 { count() }
        pyo3::create_exception!(shapes, ShapeError, pyo3::exceptions::PyValueError);
        #[pyclass(subclass)] pub struct Base { #[pyo3(get)] pub id: i64 }
        #[pymethods] impl Base { #[new] pub fn new(id: i64) -> Self { Base { id } } fn hello(&self) -> i64 { self.id } }
        """,
        "-m shapes",
    )
    return kernel


def test_the_python_type_is_the_same(shapes: Kernel) -> None:
    shapes.rust("use shapes::Point;\n#[pyfunction] fn moved(p: &Point, by: f64) -> Point { Point { x: p.x + by } }")
    assert shapes.value("type(moved(shapes.Point(1.0), 2.0)) is shapes.Point, moved(Point(1.0), 2.0).x") == (True, 3.0)
    assert shapes.value("isinstance(moved(Point(0.0), 1.0), Point)")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("use shapes::Point; #[pyfunction] fn found() -> f64 { Point { x: 7.0 }.x }", 7.0),
        ("#[pyfunction] fn found() -> f64 { shapes::Point { x: 7.0 }.x }", 7.0),
        ("use shapes; #[pyfunction] fn found() -> f64 { shapes::ORIGIN }", 0.5),
        ("use ::shapes::ORIGIN; #[pyfunction] fn found() -> f64 { ORIGIN }", 0.5),
        ("use shapes::{self, ORIGIN}; #[pyfunction] fn found() -> f64 { shapes::inlined(ORIGIN) }", 1.0),
        ("use shapes as other; #[pyfunction] fn found() -> f64 { other::ORIGIN }", 0.5),
        ("use shapes::*; #[pyfunction] fn found() -> f64 { ORIGIN }", 0.5),
        ("use {shapes::ORIGIN, std::fmt}; #[pyfunction] fn found() -> f64 { let _ = fmt::Error; ORIGIN }", 0.5),
        ("extern crate shapes; #[pyfunction] fn found() -> f64 { shapes::ORIGIN }", 0.5),
        ("extern crate shapes as outer; #[pyfunction] fn found() -> f64 { outer::ORIGIN }", 0.5),
        ("#[macro_use] extern crate shapes; #[pyfunction] fn found() -> f64 { point!(4.0).x }", 4.0),
        ("#[pyfunction] fn found() -> f64 { shapes::point!(4.0).x }", 4.0),
        ("use shapes::point; #[pyfunction] fn found() -> f64 { point!(4.0).x }", 4.0),
        ("use shapes::Area; #[pyfunction] fn found() -> f64 { shapes::Point { x: 2.0 }.double() }", 8.0),
        ("#[pyfunction] fn found() -> f64 { use shapes::Area; shapes::boxed().area() }", 9.0),
        (
            ("struct Mine; impl shapes::Area for Mine { fn area(&self) -> f64 { 1.5 } }\n"
            "fn total(of: &dyn shapes::Area) -> f64 { of.double() }\n#[pyfunction] fn found() -> f64 { total(&Mine) }"),
            3.0,
        ),
        ("#[pyfunction] fn found() -> (i64, i64) { shapes::Plain { inner: 4 }.both() }", (4, 4)),
        ('#[pyfunction] fn found() -> String { shapes::apply(String::from("a"), |s| s + "b") }', "ab"),
        (
            ("#[pyfunction] fn found() -> f64 { match shapes::Kind::Large(2.5) { shapes::Kind::Large(x) => x, "
            "shapes::Kind::Small => 0.0 } }"),
            2.5,
        ),
        ("#[pyfunction] fn found() -> i64 { shapes::nested::three() }", 3),
        ("use shapes::nested::deeper::Real; #[pyfunction] fn found() -> Real { 1.25 }", 1.25),
        ("#[pyfunction] fn found() -> &'static str { shapes::NAME }", "shapes"),
        ("#[pyfunction] fn found() -> Vec<f64> { vec![shapes::ORIGIN, shapes::inlined(1.0)] }", [0.5, 1.5]),
        ('#[pyfunction] fn found() -> String { format!("{}", shapes::ORIGIN) }', "0.5"),
        ("mod inner { pub fn get() -> f64 { shapes::ORIGIN } } #[pyfunction] fn found() -> f64 { inner::get() }", 0.5),
        ("#[pymodule] mod own { use pyo3::prelude::*; #[pyfunction] fn found() -> f64 { shapes::ORIGIN } }", 0.5),
        ("pub fn found() -> f64 { shapes::ORIGIN }", 0.5),
    ],
)  # fmt: skip
def test_found_by_syntax_and_everything_crosses(shapes: Kernel, code: str, value: object) -> None:
    shapes.run("found = None")
    shapes.rust(code)
    assert shapes.value("found()") == value


def test_state_exceptions_and_base_classes_are_shared(shapes: Kernel) -> None:
    shapes.rust(
        """
        #[pyfunction] fn count_here() -> i64 { shapes::count() }
        #[pyfunction] fn fail() -> PyResult<()> { Err(shapes::ShapeError::new_err("bad")) }
        #[pyclass(extends=shapes::Base)] pub struct Derived;
        #[pymethods] impl Derived { #[new] fn new() -> (Self, shapes::Base) { (Derived, shapes::Base::new(5)) } }
        """
    )
    first, second = shapes.value("counted(), count_here()")
    assert second == first + 1
    assert shapes.value("isinstance(Derived(), shapes.Base), Derived().hello()") == (True, 5)
    shapes.run("try:\n    fail()\nexcept shapes.ShapeError as error:\n    caught = str(error)")
    assert shapes.value("caught") == "bad"


def test_chains_and_diamonds(kernel: Kernel) -> None:
    kernel.rust(POINT, "-m chain_a")
    kernel.rust("use chain_a::Point; #[pyfunction] pub fn left(x: f64) -> Point { Point { x } }", "-m chain_b")
    kernel.rust("use chain_a::Point; #[pyfunction] pub fn right(p: &Point) -> f64 { p.x * 2.0 }", "-m chain_c")
    kernel.rust("#[pyfunction] pub fn across(x: f64) -> f64 { chain_c::right(&chain_b::left(x)) }", "-m chain_d")
    kernel.rust("#[pyfunction] fn last(x: f64) -> chain_a::Point { chain_b::left(chain_d::across(x)) }")
    assert kernel.value("chain_d.across(1.5), last(1.5).x, type(last(1.0)) is chain_a.Point") == (3.0, 3.0, True)
    assert kernel.value("chain_c.right(chain_b.left(4.0))") == 8.0


def test_diamonds_whose_cells_have_different_dependencies(kernel: Kernel) -> None:
    kernel.rust(POINT, "-m dia_a")
    kernel.rust(
        "pub fn pick(text: &str) -> dia_a::Point { dia_a::Point { x: itoa::Buffer::new().format(text.len()).len() as f64 } }",
        "-m dia_b -d itoa",
    )
    kernel.rust("pub fn hexed(p: &dia_a::Point) -> String { hex::encode([p.x as u8]) }", "-m dia_c -d hex")
    kernel.rust('#[pyfunction] fn dia() -> String { dia_c::hexed(&dia_b::pick("0123456789")) }')
    assert kernel.value("dia()") == "02"
    # The same crate in the cell and in one that it uses.
    kernel.rust('#[pyfunction] fn again() -> String { hex::encode([7]) + &dia_c::hexed(&dia_b::pick("a")) }', "-d hex")
    assert kernel.value("again()") == "0701"


def test_a_crate_that_the_cell_declares_wins(kernel: Kernel) -> None:
    kernel.rust('pub fn encode(bytes: [u8; 1]) -> String { format!("the cell {}", bytes[0]) }', "-m hex")
    cell = "#[pyfunction] fn which() -> String { hex::encode([255]) }"
    kernel.rust(cell)
    assert kernel.value("which()") == "the cell 255"
    kernel.rust(cell, "-d hex")
    assert kernel.value("which()") == "ff"
    kernel.rust("---\n[dependencies]\nhex = '*'\n---\n" + cell)
    assert kernel.value("which()") == "ff"


def test_an_unknown_name_lists_the_cells(shapes: Kernel) -> None:
    shown = shapes.rust("use shape::Point;\n#[pyfunction] fn f() {}", expect="error").text
    assert "No cell of this session is named `shape`" in shown
    assert "shapes" in shown.split("Its cells:")[1]
    shown = shapes.rust("#[pyfunction] fn f() -> f64 { shapez::ORIGIN }", expect="error").text
    assert "No cell of this session is named `shapez`" in shown


def test_rust_types_and_functions_that_are_not_for_python(kernel: Kernel) -> None:
    shown = kernel.rust(
        """
        #[derive(Clone, Debug, PartialEq)] pub struct Vector { pub x: f64 }
        pub fn norm(v: &Vector) -> f64 { v.x.abs() }
        pub fn unit() -> Option<Vector> { Some(Vector { x: 1.0 }) }
        pub fn ignoring(_: f64) {}
        pub fn plain(x: f64) -> f64 { norm(&Vector { x }) }
        """,
        "-m rusty",
    )
    assert "`norm` is not exported: its signature has `Vector`" in shown.text
    assert "`ignoring` is not exported: one of its arguments has no name" in shown.text
    assert kernel.value("plain(-2.0), hasattr(rusty, 'norm')") == (2.0, False)
    kernel.rust("#[pyfunction] fn of_unit() -> f64 { rusty::ignoring(0.0); rusty::norm(&rusty::unit().unwrap()) }")
    assert kernel.value("of_unit()") == 1.0


def test_circles_are_errors_before_the_build(kernel: Kernel) -> None:
    kernel.rust("pub fn a() -> i64 { 1 }", "-m circle_a")
    kernel.rust("pub fn b() -> i64 { circle_a::a() }", "-m circle_b")
    kernel.rust("pub fn c() -> i64 { circle_b::b() }", "-m circle_c")
    shown = kernel.rust("pub fn a() -> i64 { circle_c::c() }", "-m circle_a", expect="error")
    assert shown.ename == "CellError"
    assert "circle_a uses circle_c uses circle_b uses circle_a" in shown.evalue
    shown = kernel.rust("pub fn a() -> i64 { circle_a::a() }", "-m circle_a", expect="error")
    assert "'circle_a' uses itself" in shown.evalue
    assert kernel.value("circle_c.c()") == 1


def test_an_error_in_the_using_cell_has_its_own_lines(shapes: Kernel) -> None:
    shown = shapes.rust(
        "use shapes::Point;\n\n#[pyfunction] fn wrong() -> Point { Point { y: 1.0 } }", expect="error"
    ).text
    assert "E0560" in shown
    assert "4:" in shown


def test_editing_the_used_cell(kernel: Kernel) -> None:
    user = "#[pyfunction] fn times(p: &edited::Point) -> f64 { p.x * 2.0 }\n"
    user += "#[pyfunction] fn made() -> edited::Point { edited::Point { x: 1.0 } }"
    kernel.rust(POINT, "-m edited")
    label = run_rust(kernel, user)
    kernel.run("old_point, old_times, old_type = Point(3.0), times, Point")
    kernel.rust(POINT + "// edited", "-m edited")
    assert kernel.value("edited.Point is old_type, old_times(old_point), type(made()) is old_type") == (
        False,
        6.0,
        True,
    )
    shown = kernel.run("times(edited.Point(1.0))", expect="error")
    assert shown.ename == "TypeError"
    assert f"run {label} again" in shown.evalue, shown.evalue
    assert label in kernel.run("%pyo3_info").text
    assert f"has replaced: run {label} again" in kernel.run("%pyo3_info").text
    kernel.rust(user)
    assert kernel.value("times(edited.Point(1.0)), type(made()) is edited.Point, old_times(old_point)") == (
        2.0,
        True,
        6.0,
    )
    shown = kernel.run("times(old_point)", expect="error")
    assert "before it was replaced by In[" in shown.evalue
    assert "again" not in shown.evalue, "nothing is left to run again"
    assert "has replaced" not in kernel.run("%pyo3_info").text


def test_an_edit_below_a_chain_names_all_cells_in_order(kernel: Kernel) -> None:
    kernel.rust(POINT, "-m low")
    middle = run_rust(kernel, "pub fn mid(x: f64) -> low::Point { low::Point { x } }", "-m middle")
    high = run_rust(kernel, "#[pyfunction] fn high(p: &low::Point) -> low::Point { middle::mid(p.x) }")
    kernel.rust(POINT + "// edited", "-m low")
    shown = kernel.run("high(low.Point(1.0))", expect="error")
    assert f"run {middle} and {high} again" in shown.evalue
    kernel.rust("pub fn mid(x: f64) -> low::Point { low::Point { x } }", "-m middle")
    kernel.rust("#[pyfunction] fn high(p: &low::Point) -> low::Point { middle::mid(p.x) }")
    assert kernel.value("type(high(low.Point(1.0))) is low.Point")


def test_an_earlier_version_of_the_used_cell_gives_the_earlier_user(kernel: Kernel) -> None:
    user = "#[pyfunction] fn value() -> i64 { versioned_base::N }"
    for n in (1, 2, 1):
        kernel.rust(f"pub const N: i64 = {n};", "-m versioned_base")
        kernel.rust(user)
        assert kernel.value("value()") == n


def test_info_shows_who_uses_what(shapes: Kernel) -> None:
    shapes.rust("pub fn used() -> f64 { shapes::ORIGIN }", "-m info_user")
    shown = shapes.run("%pyo3_info").text
    assert "info_user (In[" in shown
    assert "uses shapes of In[" in shown
    shapes.run("report = %pyo3_info --json")
    assert shapes.value("report['ready'], [f['advice'] for f in report['findings'] if 'info_user' in f['name']]") == (
        True,
        [""],
    )


def test_numpy_in_either_cell(kernel: Kernel) -> None:
    pytest.importorskip("numpy")
    code = "pub mod all { pub fn total(x: &numpy::PyReadonlyArray1<'_, f64>) -> f64 { x.as_array().sum() } }"
    kernel.rust(code, "-m sums -d numpy")
    kernel.rust(
        "use numpy::PyReadonlyArray1; #[pyfunction] fn twice(x: PyReadonlyArray1<'_, f64>) -> f64 { 2.0 * sums::all::total(&x) }",
        "-d numpy",
    )
    assert kernel.value("import numpy; twice(numpy.arange(4.0))") == 12.0
    kernel.rust(POINT, "-m plain_point")
    kernel.rust(
        "use numpy::PyReadonlyArray1; #[pyfunction] fn summed(x: PyReadonlyArray1<'_, f64>) -> plain_point::Point "
        "{ plain_point::Point { x: x.as_array().sum() } }",
        "-d numpy",
    )
    assert kernel.value("summed(numpy.arange(4.0)).x") == 6.0
    kernel.rust("#[pyfunction] fn without() -> &'static str { std::any::type_name_of_val(&sums::all::total) }")
    assert "total" in kernel.value("without()")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("-m versions_pyo3 --pyo3 0.28", "", "was built with pyo3 0.28"),
        ("-m versions_none", "-d chrono", "needs pyo3 with chrono"),
    ],
)
def test_requirements_that_cannot_be_unified(kernel: Kernel, first: str, second: str, expected: str) -> None:
    name = first.split()[1]
    kernel.rust("pub fn one() -> i64 { 1 }", first)
    if second == "":
        second = "--pyo3 0.30"
    shown = kernel.rust(f"#[pyfunction] fn mixed() -> i64 {{ {name}::one() }}", second, expect="error")
    assert shown.ename == "DependencyError"
    assert expected in shown.evalue
    assert "run " in shown.evalue


def test_the_feature_in_the_used_cell_is_no_error(kernel: Kernel) -> None:
    kernel.rust("pub fn day(d: chrono::NaiveDate) -> u32 { use chrono::Datelike; d.day() }", "-m dates -d chrono")
    kernel.rust("#[pyfunction] fn day_of(d: chrono::NaiveDate) -> u32 { dates::day(d) }", "-d chrono")
    assert kernel.value("import datetime; day_of(datetime.date(2024, 2, 29))") == 29
    kernel.rust("#[pyfunction] fn also() -> u32 { dates::day(Default::default()) }")
    assert kernel.value("also()") == 1


@pytest.mark.parametrize("base", ["", "--debug", "--native"])
@pytest.mark.parametrize("user", ["", "--debug", "--native"])
def test_debug_optimised_and_native_cells_mix(kernel: Kernel, base: str, user: str) -> None:
    name = f"mix_{base.strip('-') or 'plain'}"
    kernel.rust(
        POINT + "#[pyfunction] pub fn debugging() -> bool { cfg!(debug_assertions) }", f"-m {name} {base}".strip()
    )
    kernel.rust(
        f"#[pyfunction] fn both() -> (bool, bool, f64) {{ ({name}::debugging(), cfg!(debug_assertions), "
        f"{name}::Point {{ x: 2.0 }}.x) }}",
        user,
    )
    assert kernel.value("both()") == (base == "--debug", user == "--debug", 2.0)


def test_profiles_of_the_front_matter(kernel: Kernel) -> None:
    front = '---\n[profile.release]\nlto = "thin"\ncodegen-units = 1\noverflow-checks = true\n---\n'
    kernel.rust(front + "pub fn add(a: i8, b: i8) -> i8 { a + b }", "-m checked")
    user = "#[pyfunction] fn summed(a: i8) -> i8 { checked::add(a, 100) }"
    kernel.rust(front + user)
    assert kernel.value("summed(27)") == 127
    assert kernel.run("summed(28)", expect="error").ename == "PanicException"
    shown = kernel.rust(user, expect="error")
    assert shown.ename == "DependencyError"
    assert "the same [profile]" in shown.evalue


def test_a_panic_names_the_cell_and_line(kernel: Kernel) -> None:
    used = run_rust(kernel, "pub fn steady() {}\n\npub fn fall(n: usize) -> usize {\n    [1, 2, 3][n]\n}", "-m falls")
    user = run_rust(
        kernel,
        'use falls::fall;\n#[pyfunction] fn call_it(n: usize) -> usize {\n    if n == 9 { panic!("here") }\n    fall(n)\n}',
    )
    assert f"panicked in {used}, line 5," in kernel.run("call_it(5)", expect="error").text
    assert f"panicked in {user}, line 4," in kernel.run("call_it(9)", expect="error").text
    assert kernel.value("call_it(1)") == 2


PICKLED = """
#[pyclass(from_py_object)] #[derive(Clone)] pub struct Box3 { #[pyo3(get)] pub n: i64 }
#[pymethods] impl Box3 {
    #[new] pub fn new(n: i64) -> Self { Self { n } }
    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, (i64,))> {
        Ok((slf.get_type().into_any().unbind(), (slf.borrow().n,)))
    }
}
"""


@pytest.fixture(scope="module")
def boxes(kernel: Kernel) -> Kernel:
    kernel.rust(PICKLED, "-m boxes")
    kernel.rust(
        "#[pyfunction] pub fn grow(b: &boxes::Box3) -> boxes::Box3 { boxes::Box3 { n: b.n + 1 } }", "-m growing"
    )
    kernel.rust("#[pyfunction] fn more(b: &boxes::Box3) -> boxes::Box3 { growing::grow(b) }")
    return kernel


def test_pickling(boxes: Kernel) -> None:
    boxes.run("import pickle; data = pickle.dumps((growing.grow, more, Box3, Box3(3)))")
    assert boxes.value("g, m, c, b = pickle.loads(data); c is boxes.Box3, g(b).n, type(m(b)) is boxes.Box3") == (
        True, 4, True,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers(boxes: Kernel, method: str) -> None:
    boxes.run(
        f"""
        import multiprocessing
        with multiprocessing.get_context({method!r}).Pool(1) as pool:
            grown = pool.map(growing.grow, [Box3(1), Box3(2)])
            and_more = pool.map(more, grown)
        """
    )
    assert boxes.value("[b.n for b in and_more], {type(b) is boxes.Box3 for b in grown + and_more}") == ([3, 4], {True})


def test_joblib(boxes: Kernel) -> None:
    pytest.importorskip("joblib")
    boxes.run("import joblib; out = joblib.Parallel(n_jobs=2)(joblib.delayed(more)(Box3(n)) for n in range(3))")
    assert boxes.value("[b.n for b in out], {type(b) is boxes.Box3 for b in out}") == ([1, 2, 3], {True})


def test_a_worker_that_imports_by_name(boxes: Kernel, tmp_path: Path) -> None:
    script = tmp_path / "by_name.py"
    script.write_text("def work(n):\n    import boxes, growing\n    return growing.grow(boxes.Box3(n)).n\n")
    boxes.run(
        f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        import by_name, multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            by = pool.map(by_name.work, [1, 2])
        """
    )
    assert boxes.value("by") == [2, 3]


def needed(kernel: Kernel, module: str) -> str:
    return subprocess.run(
        ["readelf", "-d", kernel.value(f"{module}.__file__")], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_only_cells_with_a_name_or_a_use_are_dylibs(shapes: Kernel) -> None:
    shapes.rust("#[pyfunction] fn alone() -> i64 { 1 }")
    alone = needed(shapes, "__import__('sys').modules[alone.__module__]")
    assert "pyo3magic_runtime" not in alone
    assert "libstd-" not in alone
    shapes.rust("#[pyfunction] fn using() -> i64 { shapes::count() }")
    using = needed(shapes, "__import__('sys').modules[using.__module__]")
    assert "NEEDED" in using
    assert "pyo3magic_runtime" in using
    assert "shapes_" in using
    assert "pyo3magic_runtime" in needed(shapes, "shapes")
    assert "RPATH" in using or "RUNPATH" in using


def test_an_unchanged_chain_in_a_new_kernel_starts_no_process(start: Start) -> None:
    cells = [
        (POINT, "-m again_a"),
        ("pub fn b(x: f64) -> again_a::Point { again_a::Point { x } }", "-m again_b"),
        ("#[pyfunction] fn c() -> again_a::Point { again_b::b(1.0) }", ""),
    ]
    first = start()
    for body, line in cells:
        first.rust(body, line)
    first.restart()
    first.run(
        """
        import sys
        started = []
        sys.addaudithook(lambda name, args: started.append(args) if name in ("subprocess.Popen", "os.posix_spawn", "os.fork",
            "os.exec", "os.system") else None)
        """
    )
    for body, line in cells:
        first.rust(body, line)
    assert first.value("started, type(c()) is again_a.Point, c().x") == ([], True, 1.0)
    other = start()
    for body, line in cells:
        assert "from the store" in other.rust(body, f"{line} -v".strip()).text


def test_two_kernels_build_the_same_chain_at_once(start: Start, tmp_path: Path, store: Path) -> None:
    del store
    salt = f"/* {tmp_path} */"
    cells = [
        (POINT + salt, "-m at_once_a -d fnv"),
        (f"pub fn b(x: f64) -> at_once_a::Point {{ at_once_a::Point {{ x }} }} {salt}", "-m at_once_b -d fnv"),
        (f"#[pyfunction] fn c() -> at_once_a::Point {{ at_once_b::b(1.0) }} {salt}", "-d fnv"),
    ]
    kernels = [start(), start()]
    for body, line in cells:
        waiting = [(kernel, kernel.submit(f"%%rust {line}\n{body}")) for kernel in kernels]
        for kernel, identity in waiting:
            result = kernel.result(identity)
            assert result.status == "ok", result.text
    for kernel in kernels:
        assert kernel.value("type(c()) is at_once_a.Point, c().x") == (True, 1.0)
    digests = {kernel.value("c.__module__") for kernel in kernels}
    assert len(digests) == 1


def _has_toolchain(name: str) -> bool:
    try:
        listed = subprocess.run(["rustup", "toolchain", "list"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    return name in listed


@pytest.mark.slow
@pytest.mark.skipif(not _has_toolchain("nightly"), reason="needs another toolchain")
def test_another_toolchain_and_back(start: Start) -> None:
    base, user = POINT, "#[pyfunction] fn c() -> toolchains::Point { toolchains::Point { x: 1.0 } }"
    kernel = start()
    kernel.rust(base, "-m toolchains")
    kernel.rust(user)
    digest = kernel.value("c.__module__")
    kernel.run("import os; os.environ['RUSTUP_TOOLCHAIN'] = 'nightly'")
    shown = kernel.rust(user, expect="error")
    assert shown.ename == "DependencyError"
    assert "run 'toolchains' again" in shown.evalue
    kernel.rust(base, "-m toolchains")
    kernel.rust(user)
    assert kernel.value("type(c()) is toolchains.Point") is True
    assert kernel.value("c.__module__") != digest
    kernel.run("del os.environ['RUSTUP_TOOLCHAIN']")
    kernel.rust(base, "-m toolchains")
    kernel.rust(user)
    assert kernel.value("type(c()) is toolchains.Point, c.__module__") == (True, digest)
    kernel.restart()
    kernel.run("import os; os.environ['RUSTUP_TOOLCHAIN'] = 'nightly'")
    kernel.rust(base, "-m toolchains")
    kernel.rust(user)
    assert kernel.value("type(c()) is toolchains.Point") is True


def _libraries(kernel: Kernel) -> list[str]:
    """The libraries of the store that a kernel has mapped."""
    found: list[str] = kernel.value(
        "sorted({line.split()[-1] for line in open('/proc/self/maps') if '/runtimes/' in line})"
    )
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("which", ["runtime", "libstd"])
def test_damage_is_rebuilt_and_not_loaded(start: Start, tmp_path: Path, which: str) -> None:
    cells = [
        (f"pub fn a() -> i64 {{ 1 }} // {tmp_path}", "-m damaged_a"),
        ("#[pyfunction] fn sound() -> i64 { damaged_a::a() }", ""),
    ]
    # Another environment has another runtime, so that the other tests' stays sound.
    marker = {"RUSTFLAGS": f"--cfg=damage_{which} -Aunexpected_cfgs"}
    first = start(**marker)
    for body, line in cells:
        first.rust(body, line)
    victim = next(path for path in _libraries(first) if which in path)
    first.close()
    path = Path(victim)
    data = path.read_bytes()
    path.chmod(0o700)
    path.write_bytes(data[:4096] + b"\0" * 4096 + data[8192:])
    second = start(**marker)
    for body, line in cells:
        second.rust(body, line)
    assert second.value("sound()") == 1
    assert path.read_bytes()[4096:8192] != bytes(4096), "it was linked again"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_prune_and_clear_keep_what_a_live_kernel_uses(start: Start, own_store: Path) -> None:
    kernel, other = (start(**for_copies({"PYO3MAGIC_STORE": str(own_store)})) for _ in range(2))
    cells = [
        (POINT, "-m kept_a"),
        ("pub fn b() -> kept_a::Point { kept_a::Point { x: 2.0 } }", "-m kept_b"),
        ("#[pyfunction] fn c() -> kept_a::Point { kept_b::b() }", ""),
    ]
    for body, line in cells:
        kernel.rust(body, line)
    kept = _libraries(kernel)
    assert len(kept) >= 2
    assert "libraries they share" in other.run("%pyo3_cache --clear").text
    assert all((own_store / path).exists() for path in kept)
    # A restart and a further edit still find everything.
    kernel.restart()
    for body, line in cells:
        kernel.rust(body, line)
    assert kernel.value("c().x") == 2.0
    kernel.close()
    other.run("%pyo3_cache --clear")
    assert not list((own_store / "runtimes").iterdir())
    for body, line in cells:
        other.rust(body, line)
    assert other.value("c().x") == 2.0


def test_a_used_cell_that_is_gone_from_the_store(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.rust(f"pub fn a() -> i64 {{ 1 }} // {tmp_path}", "-m vanished")
    shutil.rmtree(Path(kernel.value("vanished.__file__")).parent)
    kernel.rust("#[pyfunction] fn f() -> i64 { vanished::a() }")
    assert kernel.value("f()") == 1
