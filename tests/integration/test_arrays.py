"""Plain functions on Python's arrays: every result is NumPy's own, or an error in words."""

from __future__ import annotations

import array
import contextlib
import gc
import itertools
import re
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyo3magic
from pyo3magic.diagnostics import ansi

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.cargo

NUMBERS = {
    "bool": "bool",
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "f32": "float32",
    "f64": "float64",
    "Complex32": "complex64",
    "Complex64": "complex128",
}
"""Rust's types of elements, and NumPy's."""

EACH = """
pub fn same_NAME(x: &[TYPE]) -> Array1<TYPE> { x.iter().copied().collect() }
pub fn view_NAME(x: ArrayViewD<'_, TYPE>) -> ArrayD<TYPE> { x.to_owned() }
pub fn fill_NAME(out: &mut [TYPE], like: &[TYPE]) { out.fill(like[0]) }
pub fn fill_view_NAME(mut out: ArrayViewMutD<'_, TYPE>, like: &[TYPE]) { out.fill(like[0]) }
"""

SOURCE = r"""
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayD, ArrayView2, ArrayViewD, ArrayViewMutD};
use num_complex::{Complex32, Complex64};

/// Sum of the squares.
pub fn energy(values: &[f64]) -> f64 { values.iter().map(|x| x * x).sum() }
pub fn add(out: &mut [f64], x: &[f64]) { for (out, x) in out.iter_mut().zip(x) { *out += x } }
pub fn add_view(mut out: ArrayViewMutD<'_, f64>, x: ArrayViewD<'_, f64>) { out += &x }
pub fn norms(points: &[[f64; 3]]) -> Vec<f64> { points.iter().map(|p| p.iter().map(|x| x * x).sum::<f64>().sqrt()).collect() }
pub fn shift(points: &mut [[f32; 2]], by: [f32; 2]) { for p in points { p[0] += by[0]; p[1] += by[1] } }
pub fn weighted(values: &[f64], weights: Option<&[f64]>) -> f64 {
    weights.map_or(values.iter().sum(), |weights| values.iter().zip(weights).map(|(a, b)| a * b).sum())
}
pub fn into(values: &[f64], out: Option<&mut [f64]>) -> usize { out.map_or(0, |out| { out.copy_from_slice(values); out.len() }) }
pub fn trace(matrix: Option<ArrayView2<'_, f64>>) -> f64 { matrix.map_or(0.0, |matrix| matrix.diag().sum()) }

pub fn doubled(values: &[i64]) -> Vec<i64> { values.iter().map(|x| 2 * x).collect() }
pub fn pairs(values: &[i32]) -> Vec<[i32; 2]> { values.iter().map(|&x| [x, -x]).collect() }
pub fn ends<'a>(values: &'a [i64], _label: &'a str) -> [i64; 2] { [values[0], values[values.len() - 1]] }
pub fn tail(values: &[i64]) -> &[i64] { &values[1..] }
pub fn split(values: &[i64], at: usize) -> Result<(Vec<i64>, Option<Vec<i64>>, usize), String> {
    let (head, tail) = values.split_at_checked(at).ok_or_else(|| format!("{at} is beyond the end"))?;
    Ok((head.to_vec(), (!tail.is_empty()).then(|| tail.to_vec()), at))
}
pub fn transposed(x: ArrayView2<'_, f64>) -> Array2<f64> { x.to_owned().reversed_axes() }
pub fn bytes(data: &[u8]) -> Vec<u8> { data.iter().rev().copied().collect() }
pub fn plain(to: i64) -> Vec<i64> { (0..to).collect() }
pub fn large(like: &[u8]) -> Vec<f64> { vec![f64::from(like[0]); 1 << 20] }

pub fn lengths(texts: &[&str]) -> Vec<usize> { texts.iter().map(|text| text.len()).collect() }
pub fn joined(texts: &[String], between: &str) -> String { texts.join(between) }

#[derive(Debug)] pub enum Failure { Number(std::num::ParseIntError), Odd }
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self { Failure::Number(_) => write!(f, "no number"), Failure::Odd => write!(f, "it is odd") }
    }
}
impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> { match self { Failure::Number(e) => Some(e), Failure::Odd => None } }
}
pub fn number(text: &str) -> Result<i64, std::num::ParseIntError> { text.parse() }
pub fn boxed(text: &str) -> Result<i64, Box<dyn Error>> { Ok(text.parse()?) }
pub fn even(text: &str) -> Result<i64, Failure> {
    let number: i64 = text.parse().map_err(Failure::Number)?;
    if number % 2 == 0 { Ok(number) } else { Err(Failure::Odd) }
}
pub fn read(path: &str) -> Result<String, Box<dyn Error + Send + Sync>> { Ok(std::fs::read_to_string(path)?) }
pub fn open(path: &str) -> std::io::Result<()> { std::fs::File::open(path).map(|_| ()) }
pub fn said(text: &str) -> Result<(), &'static str> { if text.is_empty() { Err("nothing was said") } else { Ok(()) } }
pub fn boxed_python() -> Result<(), Box<dyn Error>> { Err(Box::new(pyo3::exceptions::PyKeyError::new_err("key"))) }

pub fn squares() -> impl Iterator<Item = u64> { (0..).map(|x| x * x) }
pub fn parsed(text: String) -> impl Iterator<Item = Result<i64, std::num::ParseIntError>> {
    text.split(' ').map(str::parse).collect::<Vec<_>>().into_iter()
}
pub fn chunks(values: Vec<f64>, size: usize) -> Result<impl Iterator<Item = Vec<f64>>, String> {
    if size == 0 { return Err("the size is 0".into()) }
    Ok((0..values.len()).step_by(size).map(move |at| values[at..values.len().min(at + size)].to_vec()))
}
pub fn bad_third() -> impl Iterator<Item = u64> { (0..).map(|x| if x == 2 { panic!("third") } else { x }) }

pub fn at(values: &[f64], index: usize) -> f64 { values[index] }
pub fn put(out: &mut [f64], index: usize) -> Result<(), String> {
    if index == 7 { return Err("seven".into()) }
    out[index] = 1.0;
    Ok(())
}
pub fn address(values: &[f64]) -> usize { values.as_ptr() as usize }

static STARTED: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);
fn wait(flag: &AtomicBool) -> bool {
    let begin = Instant::now();
    while !flag.swap(false, SeqCst) { if begin.elapsed() > Duration::from_secs(60) { return false } std::thread::yield_now() }
    true
}
pub fn hold(_out: &mut [f64]) -> bool { STARTED.store(true, SeqCst); wait(&ENDED) }
pub fn hold_shared(_values: &[f64]) -> bool { STARTED.store(true, SeqCst); wait(&ENDED) }
pub fn end_hold() { ENDED.store(true, SeqCst) }
pub fn held() -> bool { STARTED.swap(false, SeqCst) }
""" + "".join(EACH.replace("NAME", numpy).replace("TYPE", rust) for rust, numpy in NUMBERS.items())


@pytest.fixture(scope="module")
def rust(store: Path) -> ModuleType:
    """One cell with all functions, in this process."""
    return pyo3magic.build(SOURCE, dependencies=["ndarray", "num-complex"], store=store).load()


def given_array(value: Any, **options: Any) -> Any:
    return type("Given", (), {"__array__": lambda _self, dtype=None, copy=None: value, **options})()


HALF = np.array([1.5, -0.0, 6e-8, np.inf, -np.inf, 65504], "f2")
UNALIGNED = np.frombuffer(b"x" + np.arange(3.0).tobytes(), offset=1)
ORDER = ">" if sys.byteorder == "little" else "<"

# What energy takes, each with the same numbers as a float64 array.
TAKEN = {
    "list": [1, 2.5],
    "tuple": (1, np.float32(2.5), np.int8(-3), True),
    "range": range(5),
    "float64": np.arange(4.0),
    "empty": np.array([]),
    "empty list": [],
    "int32": np.arange(4, dtype="i4"),
    "uint64": np.arange(4, dtype="u8"),
    "bool": np.array([True, False]),
    "half": HALF,
    "float32": np.array([0.1, np.nan], "f4"),
    "strided": np.arange(6.0)[::2],
    "reversed": np.arange(6.0)[::-1],
    "broadcast": np.broadcast_to(1.5, 4),
    "big-endian": np.arange(4, dtype=f"{ORDER}f8"),
    "big-endian int": np.arange(4, dtype=f"{ORDER}i2"),
    "unaligned": UNALIGNED,
    "read-only": np.frombuffer(np.arange(3.0).tobytes()),
    "subclass": np.arange(3.0).view(np.recarray),
    "array.array": array.array("f", [1, 2]),
    "memoryview": memoryview(array.array("d", [1, 2, 3]))[::2],
    "field": np.array([(1, 2.5), (3, 4.5)], "i4,f8")["f1"],
    "polars": pl.Series([1.0, 2.0]),
    "polars integers": pl.Series([1, 2]),
    "__array__": given_array(np.arange(3.0)[::2]),
    "dlpack": type("Tensor", (), {"__dlpack__": lambda _self, **o: np.arange(3.0).__dlpack__(**o), "__dlpack_device__": lambda _self: (1, 0)})(),
    "arrow": type("Arrow", (), {"__arrow_c_stream__": lambda _self, schema=None: pl.Series([1, 2]).__arrow_c_stream__(schema)})(),
    "sequence": __import__("collections").deque([1.0, 2.0]),
}  # fmt: skip

# What energy refuses, and a part of the sentence.
REFUSED = {
    "scalar": (3.0, "an array or a list with float64 is needed, not a float"),
    "None": (None, "not None"),
    "text": ("abc", "not a str"),
    "bytes": (b"abcdefgh", "numpy.frombuffer"),
    "dict": ({1: 2}, "not a dict"),
    "set": ({1, 2}, r"Pass list\(...\) of it"),
    "iterator": (iter([1]), r"Pass list\(...\) of it"),
    "class": (np.ndarray, "not a type"),
    "0-dimensional": (np.array(3.0), "it has 0 dimensions, and 1 is needed"),
    "NumPy scalar": (np.float64(3.0), "it has 0 dimensions"),
    "2-dimensional": (np.zeros((2, 2)), r"\.ravel\(\)"),
    "masked": (np.ma.array([1.0, 2.0]), "masked array"),
    "__array__ of masked": (given_array(np.ma.array([1.0])), "masked array"),
    "complex": (np.array([1j]), r"complex128, which cannot become float64 without loss. Convert it: .astype\('float64'\)"),
    "datetime": (np.array(["2020", "NaT"], "M8[s]"), "NaT is the smallest integer"),
    "timedelta": (np.array([1], "m8[ns]"), "NaT"),
    "objects": (np.array([1, None]), "Python objects"),
    "records": (np.zeros(2, "i4,f8"), r"array\['name'\]"),
    "longdouble": (np.zeros(2, "g"), "rounds"),
    "texts": (np.array(["1"]), "reads them"),
    "list of text": ([1, "a"], "item 1: must be real number, not str"),
    "list of None": ([None], "item 0"),
    "list of complex": ([1j], "item 0"),
    "list of NumPy's complex": ([np.complex128(1)], "item 0: complex128 cannot become float64 without loss"),
    "list of dates": ([np.datetime64("2020", "ns")], "item 0"),
    "list of longdouble": ([np.longdouble(1)], "item 0"),
    "table": (pl.DataFrame({"a": [1.0]}), "2 dimensions"),
    "no array": (given_array(7), "no numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_a_slice_takes(rust: ModuleType, name: str) -> None:
    value = TAKEN[name]
    numbers = np.arange(3.0) if name == "dlpack" else pl.Series([1, 2]) if name == "arrow" else value
    expected = np.asarray(numbers, dtype="f8")
    assert np.array_equal(rust.same_float64(value), expected, equal_nan=True)
    np.testing.assert_allclose(rust.energy(value), (expected**2).sum())


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_slice_refuses(rust: ModuleType, name: str) -> None:
    value, sentence = REFUSED[name]
    with pytest.raises(TypeError, match=f"^argument 'values'.*{sentence}"):
        rust.energy(value)
    assert rust.energy([2]) == 4


def test_no_copy_is_made_of_what_fits(rust: ModuleType) -> None:
    values = np.arange(6.0)
    assert rust.address(values) == values.ctypes.data
    assert rust.address(values[2:]) == values.ctypes.data + 16
    assert rust.address(memoryview(values.data)) == values.ctypes.data
    column = pl.Series(values)
    assert rust.address(column) == column.to_numpy(allow_copy=False).ctypes.data
    assert rust.address(values[::2]) != values.ctypes.data


def test_bool_and_bytes(rust: ModuleType) -> None:
    assert rust.same_bool([True, False]).tolist() == [True, False]
    with pytest.raises(ValueError, match="bytes other than 0 and 1"):
        rust.same_bool(np.array([0, 2], "u1").view(bool))
    with pytest.raises(ValueError, match="bytes other than 0 and 1"):
        rust.view_bool(np.array([[0, 2]], "u1").view(bool))
    with pytest.raises(TypeError, match="int64, which cannot become bool"):
        rust.same_bool(np.array([1, 0]))
    assert rust.bytes(b"abc") == rust.bytes(bytearray(b"abc")) == rust.bytes(np.frombuffer(b"abc", "u1")) == b"cba"
    with pytest.raises(OverflowError, match="item 1"):
        rust.bytes([1, 256])
    assert rust.same_int64([2**62]).tolist() == [2**62]
    with pytest.raises(OverflowError, match="item 0"):
        rust.same_int64([2**63])
    with pytest.raises(TypeError, match="item 0"):
        rust.same_int64([1.0])


def test_rows(rust: ModuleType) -> None:
    points = np.arange(12.0).reshape(4, 3)
    for values in (points, np.asfortranarray(points), points.astype("f4"), points.tolist(), points[::2]):
        np.testing.assert_allclose(rust.norms(values), np.linalg.norm(np.asarray(values), axis=1))
    with pytest.raises(ValueError, match="its rows have 4 numbers, and 3 are needed"):
        rust.norms(points.T)
    with pytest.raises(ValueError, match="row 1 has 2 numbers, and 3 are needed"):
        rust.norms([[1, 2, 3], [4, 5]])
    for wrong in (points[0], points[None], [1, 2]):
        with pytest.raises(TypeError, match="points"):
            rust.norms(wrong)
    assert rust.norms(np.zeros((0, 3))).shape == (0,)
    moved = np.zeros((2, 2), "f4")
    rust.shift(moved, [1, 2])
    assert moved.tolist() == [[1, 2], [1, 2]]
    with pytest.raises(TypeError, match="not next to each other"):
        rust.shift(np.zeros((2, 2), "f4", order="F"), [1, 2])


def test_arguments_may_be_left_out(rust: ModuleType) -> None:
    values, out = np.arange(3.0), np.zeros(3)
    assert (rust.weighted(values, None), rust.weighted(values, [1, 1, 2])) == (3, 5)
    assert (rust.into(values, None), rust.into(values, out), out.tolist()) == (0, 3, [0, 1, 2])
    assert (rust.trace(None), rust.trace(np.eye(3)[::-1])) == (0, 1)


def test_results_are_arrays_of_functions_that_take_arrays(rust: ModuleType) -> None:
    doubled = rust.doubled([1, 2])
    assert (doubled.tolist(), doubled.dtype, doubled.flags.writeable) == ([2, 4], np.dtype("int64"), True)
    assert rust.pairs([1, 2]).tolist() == [[1, -1], [2, -2]]
    assert (rust.ends([3, 4, 5], "label").tolist(), rust.tail([1, 2, 3]).tolist()) == ([3, 5], [2, 3])
    head, tail, at = rust.split([1, 2, 3], 1)
    assert (head.tolist(), tail.tolist(), at) == ([1], [2, 3], 1)
    assert rust.split([1], 1)[1] is None
    assert type(rust.plain(2)) is list
    turned = rust.transposed(np.arange(6.0).reshape(2, 3))
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert turned.flags.f_contiguous
    assert rust.doubled([]).shape == (0,)
    assert rust.energy.__doc__ == "Sum of the squares."
    assert rust.energy.__text_signature__ == "(values)"


def test_texts(rust: ModuleType) -> None:
    for texts in (["a", "é"], ("a", "é"), np.array(["a", "é"]), pl.Series(["a", "é"])):
        assert rust.lengths(texts).tolist() == [1, 2]
        assert rust.joined(texts, "-") == "a-é"
    assert rust.lengths([]).tolist() == []
    for wrong, sentence in (
        ("ab", "not a str"),
        (["a", None], "item 1: a str is needed, not None"),
        ({"a"}, "not a set"),
        (3, "int"),
    ):
        with pytest.raises(TypeError, match=sentence):
            rust.lengths(wrong)
    with pytest.raises(UnicodeEncodeError):
        rust.lengths(["\ud800"])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("number('x')", ValueError, "invalid digit found in string"),
        ("boxed('x')", ValueError, "invalid digit found in string"),
        ("even('x')", RuntimeError, "no number\nCaused by: invalid digit found in string"),
        ("even('3')", RuntimeError, "it is odd"),
        ("read('/no/such/file')", FileNotFoundError, "os error 2"),
        ("open('/no/such/file')", FileNotFoundError, "os error 2"),
        ("said('')", RuntimeError, "nothing was said"),
        ("boxed_python()", KeyError, "key"),
        ("split([1], 3)", RuntimeError, "3 is beyond the end"),
        ("chunks([], 0)", RuntimeError, "the size is 0"),
    ],
)
def test_errors_become_exceptions(rust: ModuleType, call: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)) as raised:
        eval(call, vars(rust))
    assert type(raised.value) is kind


def test_iterators_are_pulled_one_by_one(rust: ModuleType) -> None:
    squares = rust.squares()
    assert list(itertools.islice(squares, 3)) == [0, 1, 4]
    assert next(squares) == 9
    parsed = rust.parsed("1 x 3")
    assert next(parsed) == 1
    with pytest.raises(ValueError, match="invalid digit"):
        next(parsed)
    assert list(parsed) == []
    assert list(rust.chunks([1, 2, 3], 2)) == [[1, 2], [3]]
    broken = rust.bad_third()
    with pytest.raises(BaseException, match="third"):
        list(broken)
    assert list(broken) == []


@pytest.mark.parametrize(
    ("source", "place", "advice"),
    [
        ("\npub fn f(x: &[i128]) {}", "3:13", "an array is taken as `&[T]`"),
        ("\npub fn f(x: &mut Vec<f64>) {}", "3:13", "an array is taken as `&[T]`"),
        ("\npub fn f() -> Result<(), Vec<u8>> { Ok(()) }", "3:8", "implement `std::fmt::Display`"),
        ("\npub fn f(x: &[f64]) -> impl Iterator<Item = f64> { x.iter().copied() }", "3:8", "the result borrows `x`"),
        ("\npub fn f(x: &[f64]) -> std::rc::Rc<f64> { std::rc::Rc::new(x[0]) }", "3:8", "--keep-gil` keeps the lock"),
    ],
)
def test_what_cannot_be_converted_is_an_error_in_the_cell(store: Path, source: str, place: str, advice: str) -> None:
    with pytest.raises(pyo3magic.CompileError) as raised:
        pyo3magic.build(source, store=store)
    first = raised.value.diagnostics[0]
    assert f"src/lib.rs:{place}\n" in ansi.strip(first.rendered)
    assert advice in (raised.value.advice or "")


def _overlap_is_refused(function: Any, out: Any, x: Any) -> None:
    with pytest.raises(
        ValueError, match="the arguments 'out' and 'x' overlap in memory, and the function writes to 'out'"
    ):
        function(out, x)


def test_what_is_written_to_is_exclusive(rust: ModuleType) -> None:
    memory = np.arange(6.0)
    before = memory.copy()
    _overlap_is_refused(rust.add, memory, memory)
    _overlap_is_refused(rust.add, memory[:4], memory[3:])
    _overlap_is_refused(rust.add_view, memory[::2], memory[1:4])
    _overlap_is_refused(rust.add_view, memory[::-1], memory)
    assert memory.tolist() == before.tolist()
    rust.add(memory[:3], memory[3:])
    rust.add_view(memory[3:][::-1], np.broadcast_to(1.0, 3))
    assert memory.tolist() == [3, 5, 7, 4, 5, 6]
    rust.add(memory, memory.astype("f4"))
    assert memory.tolist() == [6, 10, 14, 8, 10, 12]
    read_only = before.copy()
    read_only.flags.writeable = False
    for wrong, sentence in (
        (read_only, "read-only"),
        (memory[::2], "not next to each other"),
        (np.arange(3), "float64 to it, and it has int64"),
        (np.arange(3, dtype=f"{ORDER}f8"), "other order"),
        (np.frombuffer(bytearray(25), offset=1), "not aligned"),
        ([1.0, 2.0], "a list has no memory"),
        (b"abcdefgh", "read-only"),
        (pl.Series([1.0]), "read-only|no array"),
        (given_array(read_only), "read-only"),
        (np.ma.array([1.0]), "masked"),
        (None, "None"),
    ):
        with pytest.raises(TypeError, match=sentence):
            rust.add(wrong, [1.0])
    shared = np.lib.stride_tricks.as_strided(memory, (3, 3), (8, 8))
    with pytest.raises(TypeError, match="share memory"):
        rust.add_view(shared, np.zeros((3, 3)))
    assert read_only.tolist() == before.tolist()


def test_functions_run_without_the_gil_and_claim_their_memory(rust: ModuleType) -> None:
    memory = np.arange(4.0)
    for function, may_read in ((rust.hold, False), (rust.hold_shared, True)):
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(function(memory)))  # noqa: B023 - joined below
        thread.start()
        while not rust.held():
            pass
        if may_read:
            assert rust.energy(memory) == 14
        else:
            with pytest.raises(ValueError, match="still running uses this memory"):
                rust.energy(memory[3:])
        with pytest.raises(ValueError, match="still running uses this memory"):
            rust.add(memory[:1], [1.0])
        with pytest.raises(ValueError, match="resize"):
            memory.resize(8)
        rust.end_hold()
        thread.join()
        assert results == [True]
    rust.add(memory, [1.0])
    assert rust.energy(memory) == 15


def test_memory_is_released_on_every_path(rust: ModuleType) -> None:
    plain, other = np.arange(4.0), bytearray(np.arange(4.0).tobytes())
    view = memoryview(other).cast("d")
    strided = plain[::2]
    calls = [
        rust.energy,
        lambda x: rust.at(x, 9),
        lambda x: rust.put(x, 0),
        lambda x: rust.put(x, 7),
        lambda x: rust.put(x, 9),
        lambda x: rust.add(x, x),
        lambda x: rust.add(x, "wrong"),
        rust.norms,
        rust.view_float64,
        rust.view_float32,
        lambda x: rust.fill_view_float64(x, []),
    ]
    with pytest.raises(BaseException, match="index out of bounds") as panic:
        rust.at([1.0], 9)
    rust_panic = panic.type
    counts = [sys.getrefcount(item) for item in (plain, view, strided)]
    for call, item in itertools.product(calls * 3, (plain, view, strided)):
        with contextlib.suppress(TypeError, ValueError, RuntimeError, rust_panic):
            call(item)
    del item
    gc.collect()
    assert [sys.getrefcount(item) for item in (plain, view, strided)] == counts
    view.release()  # no buffer of it is left
    other.append(1)
    alive = weakref.ref(strided)
    del strided
    assert alive() is None


def test_results_free_their_memory(rust: ModuleType) -> None:
    import psutil

    rust.large([1])
    before = psutil.Process().memory_info().rss
    for _ in range(200):
        assert rust.large([1])[-1] == 1
    assert psutil.Process().memory_info().rss - before < 200 << 20
    kept = rust.large([2])[5:]
    gc.collect()
    assert kept[-1] == 2


DTYPES = [
    *("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16", "G"),
    *(f"{ORDER}{code}" for code in ("i2", "u4", "i8", "f2", "f4", "f8", "c8", "c16")),
    *("M8[s]", "m8[D]", "O", "S2", "U1", "i4,f8"),
]


@st.composite
def some_array(draw: st.DrawFn) -> Any:
    """An array of any type and layout, a view of a larger one."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    wide = [2 * length + 1 for length in shape]
    numbers = np.asarray(np.arange(np.prod(wide, dtype=int)).reshape(wide) % draw(st.sampled_from([2, 100])))
    base = np.zeros(wide, dtype) if dtype.kind == "V" else np.asarray(numbers.astype(dtype))
    if dtype.kind != "O" and draw(st.booleans()):
        memory = np.frombuffer(bytearray(base.nbytes + 1), "u1")
        unaligned = memory[1:].view(dtype).reshape(base.shape)
        unaligned[...] = base
        base = unaligned
    steps = st.sampled_from([slice(None), slice(1, None, 2), slice(None, None, -1), slice(0, 1)])
    chosen = draw(st.lists(steps, min_size=len(shape), max_size=len(shape)))
    index = (..., *chosen)
    found = base[index]
    found = found.transpose(draw(st.permutations(range(found.ndim))))
    if draw(st.integers(0, 3)) == 0 and found.ndim:
        found = np.broadcast_to(found[..., :1], found.shape)
    if draw(st.integers(0, 3)) == 0 and found.flags.writeable:
        found.flags.writeable = False
    return found


def _is_taken(values: Any, wanted: str) -> bool:
    kind, size = values.dtype.kind, values.dtype.itemsize
    return kind in "biufc" and size <= (16 if kind == "c" else 8) and np.can_cast(values.dtype, wanted, "safe")


QUICK = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


@QUICK
@given(values=some_array(), wanted=st.sampled_from(list(NUMBERS.values())))
def test_reading_is_what_numpy_reads(rust: ModuleType, values: Any, wanted: str) -> None:
    with np.errstate(all="ignore"):
        if not _is_taken(values, wanted):
            for function in ("view", "same"):
                with pytest.raises((TypeError, ValueError)):
                    getattr(rust, f"{function}_{wanted}")(values)
            return
        expected = values.astype(wanted)
    seen = getattr(rust, f"view_{wanted}")(values)
    assert (seen.dtype, seen.shape) == (np.dtype(wanted), values.shape)
    assert seen.tobytes() == expected.tobytes()
    if values.ndim == 1:
        assert getattr(rust, f"same_{wanted}")(values).tobytes() == expected.tobytes()
    else:
        with pytest.raises(TypeError, match="dimension"):
            getattr(rust, f"same_{wanted}")(values)


@QUICK
@given(values=some_array(), wanted=st.sampled_from(list(NUMBERS.values())), is_view=st.booleans())
def test_writing_changes_all_elements_or_none(rust: ModuleType, values: Any, wanted: str, is_view: bool) -> None:
    values = values if values.size or not is_view else values.copy()
    base = values
    while base.base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    before = base.tobytes()
    like = np.ones(1, wanted)
    fits = (
        values.dtype == np.dtype(wanted) and values.dtype.isnative and values.flags.writeable and values.flags.aligned
    )
    fits &= is_view or (values.ndim == 1 and values.flags.c_contiguous)
    function = getattr(rust, f"fill_view_{wanted}" if is_view else f"fill_{wanted}")
    if not fits:
        with pytest.raises((TypeError, ValueError)):
            function(values, like)
        assert base.tobytes() == before
        return
    rest = base.copy()
    function(values, like)
    assert (values == like[0]).all()
    values[...] = 0
    mirror = np.lib.stride_tricks.as_strided(rest, values.shape, values.strides) if base is values else None
    if mirror is not None:
        mirror[...] = 0
        assert rest.tobytes() == base.tobytes()
