"""Cells with ``--ufunc``, with NumPy's own functions as the oracle."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyo3magic.api import build
from pyo3magic.errors import ImportConflictError
from pyo3magic.session.load import stub

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from pyo3magic.api import Build

PLAIN = """\
type Real = f64;
/// Twice the argument.
///
/// With a "quotation".
pub fn double(x: f64) -> Real { 2.0 * x }
pub fn add(x: f64, y: f64) -> f64 { x + y }
pub fn affine(a: f64, x: f64, b: f64) -> f64 { a * x + b }
pub fn hypot<T: Hypot + Float>(x: T, y: T) -> T { x.hypot_of(y) }
pub fn divmod(x: i64, y: i64) -> Result<(i64, i64), String> {
    if y == 0 { return Err(format!("{x} is divided by zero")); }
    Ok((x.div_euclid(y), x.rem_euclid(y)))
}
pub fn invert(x: bool) -> bool { !x }
pub fn is_small(x: f32, limit: f32) -> bool { x < limit }
pub fn next_byte(x: u8) -> u8 { x + 1 }
pub fn short(x: i16) -> i32 { i32::from(x) * 3 }
pub fn parsed(x: u64) -> Result<i8, std::num::TryFromIntError> { i8::try_from(x) }
pub fn open(x: i32) -> std::io::Result<i32> { Err(std::io::Error::from_raw_os_error(x)) }
pub fn own(x: i32) -> PyResult<i32> { Err(pyo3::exceptions::PyKeyError::new_err(x)) }
pub fn mine(x: i32) -> Result<i32, Mine> { Err(Mine) }
pub struct Mine;
impl From<Mine> for PyErr { fn from(_: Mine) -> PyErr { pyo3::exceptions::PyIndexError::new_err("mine") } }
pub fn boxed(x: i32) -> Result<i32, Box<dyn std::error::Error>> { Err(format!("no {x}").into()) }
pub fn slow(x: f64) -> f64 { std::thread::sleep(std::time::Duration::from_secs_f64(x)); x }
pub fn inverse(x: f64) -> f64 { if x == 0.0 { 0.0 } else { 1.0 / x } }
pub fn r#loop(x: f64) -> f64 { helper(x) }
fn helper(x: f64) -> f64 { x - 1.0 }
pub fn text(x: &str) -> f64 { x.len() as f64 }

pub trait Float: Copy {}
impl Float for f32 {}
impl Float for f64 {}
pub trait Hypot { fn hypot_of(self, other: Self) -> Self; }
impl Hypot for f32 { fn hypot_of(self, other: Self) -> Self { self.hypot(other) } }
impl Hypot for f64 { fn hypot_of(self, other: Self) -> Self { self.hypot(other) } }
"""

PARALLEL = """\
pub fn logistic(x: f64) -> f64 { 1.0 / (1.0 + (-x).exp()) }
pub fn subtract(x: f64, y: f64) -> f64 { x - y }
pub fn checked(x: f64) -> Result<f64, String> { if x < 0.0 { Err(format!("{x} is negative")) } else { Ok(x.sqrt()) } }
pub fn nap(x: f64) -> f64 { std::thread::sleep(std::time::Duration::from_secs_f64(x)); x }
pub fn worker(x: f64) -> u64 {
    use std::hash::{Hash, Hasher};
    std::thread::sleep(std::time::Duration::from_secs_f64(x));
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    std::thread::current().id().hash(&mut hasher);
    hasher.finish()
}
pub fn from_python(x: f64) -> f64 { pyo3::Python::attach(|_| { std::thread::sleep(std::time::Duration::from_micros(10)); x }) }
"""

CORE = """\
pub fn dot<T: Number>(a: &[T], b: &[T]) -> T { a.iter().zip(b).fold(T::default(), |sum, (x, y)| sum + *x * *y) }
pub trait Float: Copy + Default + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> {}
impl Float for f32 {}
impl Float for f64 {}
pub use Float as Number;
pub fn count_both(a: &[bool], b: &[bool]) -> i64 { a.iter().zip(b).filter(|(a, b)| **a && **b).count() as i64 }
pub fn failing(a: &[f64], b: &[f64]) -> Result<f64, String> { a.first().zip(b.first()).map(|(a, b)| a + b).ok_or("empty".into()) }
"""


CRATES = ["num-complex@0.4", "num-traits@0.2", "ndarray@0.16"]


@pytest.fixture(scope="module")
def plain_build(store: Path) -> Build:
    return build(PLAIN, ufunc="", module="ufunc_plain", store=store)


@pytest.fixture(scope="module")
def plain(plain_build: Build) -> ModuleType:
    return plain_build.load()


@pytest.fixture(scope="module")
def parallel(store: Path) -> ModuleType:
    return build(PARALLEL, ufunc="", parallel=True, store=store).load()


@pytest.fixture(scope="module")
def core(store: Path) -> ModuleType:
    return build(CORE.replace("<T: Number>", "<T: Float>"), ufunc="(n),(n)->()", store=store).load()


def views(values: Any) -> list[Any]:
    """Arrays with these values (a vector of a length that is divisible by 4) in many layouts."""
    size = len(values)
    spaced = np.zeros(3 * size, values.dtype)
    spaced[::3] = values
    misaligned = np.zeros(size * values.itemsize + 1, np.uint8)[1:].view(values.dtype)
    misaligned[:] = values
    read_only = values.copy()
    read_only.flags.writeable = False
    return [
        values,
        spaced[::3],
        values[::-1].copy()[::-1],
        values.astype(values.dtype.newbyteorder()),
        misaligned,
        read_only,
        values.reshape(4, -1),
        np.asfortranarray(values.reshape(4, -1)),
        values.reshape(-1, 4).T,
        values.reshape(2, 2, -1).transpose(2, 0, 1),
        np.broadcast_to(values, (3, size)),
        values[:0],
        values[1],
        values[3:4].reshape(1, 1, 1),
        values[0].item(),
        values.tolist(),
    ]


@pytest.mark.parametrize("size", [4, 20, 260, 4000])
def test_layouts_give_what_numpy_gives(plain: ModuleType, parallel: ModuleType, size: int) -> None:
    values = np.random.default_rng(size).normal(size=size)
    for view in views(values):
        np.testing.assert_array_equal(plain.double(view), np.multiply(2.0, view))
        np.testing.assert_array_equal(plain.add(view, view), np.add(view, view))
        np.testing.assert_array_equal(plain.affine(2.5, view, 1), np.add(np.multiply(2.5, view), 1))
        np.testing.assert_array_equal(parallel.subtract(view, 0.5), np.subtract(view, 0.5))
        small = np.asarray(view, np.float32)
        np.testing.assert_array_equal(plain.is_small(small, np.float32(0.1)), np.less(small, np.float32(0.1)))


@pytest.mark.parametrize("kind", "?bBhHiIlLqQefdFDO")
def test_types_are_cast_as_numpy_casts(plain: ModuleType, kind: str) -> None:
    values = np.array([1, 0, 3, 100]).astype(kind)
    if np.can_cast(values.dtype, np.float64):
        np.testing.assert_array_equal(plain.double(values), 2.0 * values.astype(float))
        assert plain.hypot(values, values).dtype == (
            np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
        )
    else:
        with pytest.raises(TypeError, match="not supported for the input types"):
            plain.double(values)
    if np.can_cast(values.dtype, np.int64):
        np.testing.assert_array_equal(plain.divmod(values, 3), np.divmod(values.astype(np.int64), 3))


def test_several_outputs_bool_and_names(plain: ModuleType) -> None:
    whole, rest = plain.divmod([7, -7], 3)
    assert (whole.tolist(), rest.tolist()) == ([2, -3], [1, 2])
    flags = np.array([0, 1, 2, 255], np.uint8).view(bool)
    assert plain.invert(flags).view(np.uint8).tolist() == [1, 0, 0, 0]
    assert plain.short(np.array([-20000], np.int16)).tolist() == [-60000]
    assert isinstance(plain.double, np.ufunc)
    assert plain.double.__name__ == "double"
    assert plain.double.__doc__.endswith('Twice the argument.\n\nWith a "quotation".')
    assert plain.add.__doc__.endswith("pub fn add(x: f64, y: f64) -> f64")
    assert (plain.hypot.types, plain.divmod.nout) == (["ff->f", "dd->d"], 2)
    assert plain.loop(2.0) == 1.0
    assert not hasattr(plain, "helper")
    assert not hasattr(plain, "text")


def test_methods_of_ufuncs(plain: ModuleType, parallel: ModuleType) -> None:
    values = np.random.default_rng(0).normal(size=(50, 40))
    for axis in (0, 1):
        np.testing.assert_allclose(plain.add.reduce(values, axis=axis, initial=1.0), values.sum(axis) + 1)
        np.testing.assert_allclose(plain.add.accumulate(values, axis=axis), np.add.accumulate(values, axis=axis))
    np.testing.assert_allclose(plain.add.reduceat(values[0], [0, 5, 20]), np.add.reduceat(values[0], [0, 5, 20]))
    np.testing.assert_array_equal(plain.add.outer(values[0], values[1]), np.add.outer(values[0], values[1]))
    sums = np.zeros(4)
    plain.add.at(sums, [0, 1, 1, 3, 1], [1.0, 2, 3, 4, 5])
    assert sums.tolist() == [1, 10, 0, 4]
    long = np.arange(300000.0)
    np.testing.assert_array_equal(parallel.subtract.accumulate(long), np.subtract.accumulate(long))
    assert parallel.subtract.reduce(long) == np.subtract.reduce(long)
    with pytest.raises(ValueError, match="no identity"):
        plain.add.reduce([])


def test_out_where_and_the_same_memory(plain: ModuleType, parallel: ModuleType) -> None:
    values = np.arange(1000.0)
    out = np.full(1000, -1.0)
    assert plain.double(values, out=out, where=values % 2 == 0) is out
    np.testing.assert_array_equal(out, np.where(values % 2 == 0, 2 * values, -1))
    for start, stop in (
        (slice(None), slice(None)),
        (slice(1, None), slice(None, -1)),
        (slice(None, -1), slice(1, None)),
    ):
        for step in (1, -1):
            ours, theirs = values.copy(), values.copy()
            plain.add(ours[start][::step], ours[stop], out=ours[stop])
            np.add(theirs[start][::step], theirs[stop], out=theirs[stop])
            np.testing.assert_array_equal(ours, theirs)
    long = np.arange(400000.0)
    expected = long - 1
    parallel.subtract(long, 1, out=long)
    np.testing.assert_array_equal(long, expected)
    parallel.subtract(long[::2], long[1::2], out=long[::2])
    np.testing.assert_array_equal(long[::2], expected[::2] - expected[1::2])
    with pytest.raises(TypeError, match="Cannot cast"):
        plain.double(values, out=np.zeros(1000, int))
    frozen = values.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        plain.double(values, out=frozen)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_slices_of_one_array(plain: ModuleType, data: st.DataObject) -> None:
    ours = np.arange(1200.0)
    size = data.draw(st.sampled_from([2, 17, 70, 290]))

    def part() -> slice:
        step = data.draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        start = data.draw(st.integers(0, 1199 - abs(step) * size))
        if step > 0:
            return slice(start, start + step * size, step)
        return slice(start - step * size, start, step)

    first, second, out = part(), part(), part()
    theirs = ours.copy()
    plain.affine(ours[first], ours[second], ours[first], out=ours[out])
    theirs[out] = theirs[first] * theirs[second] + theirs[first]
    np.testing.assert_array_equal(ours, theirs)


def test_errors_and_panics_become_exceptions(plain: ModuleType, parallel: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"^7 is divided by zero$"):
        plain.divmod(np.arange(2000), np.arange(2000) - 7)
    assert plain.parsed(np.uint64(127)) == 127
    with pytest.raises(ValueError, match="out of range integral type conversion"):
        plain.parsed(np.array([1, 128], np.uint64))
    with pytest.raises(FileNotFoundError):
        plain.open(np.int32(2))
    with pytest.raises(KeyError, match="5"):
        plain.own(np.array([5, 6], np.int32))
    with pytest.raises(IndexError, match="mine"):
        plain.mine(np.int32(0))
    with pytest.raises(RuntimeError, match="no 3"):
        plain.boxed(np.int32(3))
    values = np.full(1 << 20, 4.0)
    values[700001] = -1
    with pytest.raises(RuntimeError, match="-1 is negative"):
        parallel.checked(values)
    assert plain.next_byte(np.array([254], np.uint8)).tolist() == [255]


def test_panics_become_exceptions(store: Path) -> None:
    made = build("pub fn at(i: i64, _x: i64) -> i64 { [1, 2, 3][i as usize] }", ufunc="", store=store).load()
    assert made.at([0, 2], 0).tolist() == [1, 3]
    for call in (lambda: made.at(5, 0), lambda: made.at.reduce([9, 5, 1]), lambda: made.at.accumulate([9, 5, 1])):
        with pytest.raises(BaseException, match="index out of bounds: the len is 3 but the index is"):
            call()
    with pytest.raises(BaseException, match="index out of bounds") as caught:
        made.at(np.full(5000, 7), 0)
    assert "The Rust code panicked in src/lib.rs, line 2, column" in "".join(getattr(caught.value, "__notes__", ()))


def test_without_numpy_there_is_a_sentence(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build("pub fn lonely(x: f64) -> f64 { x }", ufunc="", store=store)
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportConflictError, match="this Python has no NumPy") as caught:
        made.load()
    assert caught.value.advice == "%pip install numpy"


def test_the_backtrace_has_the_function_alone(store: Path) -> None:
    source = '#[inline(never)]\npub fn third(x: f64) -> f64 { if x == 3.0 { panic!("three") } x }'
    made = build(source, ufunc="", store=store)
    code = (
        "import sys, numpy; from pyo3magic.api import build\n"
        f"f = build({made.source!r}, ufunc='', store={str(store)!r}).load().third\n"
        "try: f(numpy.arange(100.))\n"
        "except BaseException as error: print(*error.__notes__)"
    )
    environ = {**os.environ, "RUST_BACKTRACE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert "0: third" in done.stdout, done.stdout + done.stderr
    assert "ufunc" not in done.stdout
    assert "PyObject" not in done.stdout


def test_no_warnings_about_floats(plain: ModuleType, recwarn: pytest.WarningsRecorder) -> None:
    assert plain.inverse(np.zeros(100)).tolist() == [0.0] * 100
    assert np.isinf(plain.double(1e308))
    assert not recwarn.list


def test_threads_run_at_once_and_interrupts_are_noticed(plain: ModuleType, parallel: ModuleType) -> None:
    gate = threading.Barrier(2)

    def nap() -> tuple[float, float]:
        gate.wait()
        begun = time.monotonic()
        plain.slow(np.full(600, 0.0005))
        return begun, time.monotonic()

    with ThreadPoolExecutor(2) as pool:
        (first, first_end), (second, second_end) = pool.map(lambda _: nap(), range(2))
    assert max(first, second) < min(first_end, second_end)
    import signal

    for ufunc in (plain.slow, parallel.nap):
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ufunc(np.full(100000, 0.001))


def test_long_loops_use_several_threads(parallel: ModuleType) -> None:
    threads = np.unique(parallel.worker(np.full(400, 0.001)))
    assert len(threads) == 1 if os.cpu_count() == 1 else len(threads) > 1
    np.testing.assert_array_equal(parallel.from_python(np.arange(400.0)), np.arange(400.0))
    values = np.random.default_rng(1).normal(size=(1000, 700))
    expected = 1 / (1 + np.exp(-values))
    for view in (values, values.T, values[:, ::2], values[::-1]):
        np.testing.assert_allclose(parallel.logistic(view), 1 / (1 + np.exp(-view)), rtol=1e-14)
    np.testing.assert_allclose(parallel.logistic(values.astype(">f8")), expected, rtol=1e-14)


def test_generalized_ufuncs(core: ModuleType) -> None:
    assert core.dot.signature == "(n),(n)->()"
    random = np.random.default_rng(2)
    left, right = random.normal(size=(5, 1, 7)), random.normal(size=(4, 7))
    for a, b in (
        (left, right),
        (left[..., ::-1], right[:, ::2][:, :1]),
        (left.astype(np.float32), right.astype(np.float32)),
        (np.asfortranarray(left), right.T.copy().T),
        (left.astype(">f8"), right),
        (left, np.broadcast_to(right[:, :1], (4, 7))),
        (left[..., :0], right[..., :0]),
        (left[:0], right),
    ):
        if a.shape[-1] != b.shape[-1]:
            with pytest.raises(ValueError, match="mismatch in its core dimension"):
                core.dot(a, b)
            continue
        found = core.dot(a, b)
        assert found.dtype == np.result_type(a, b)
        np.testing.assert_allclose(found, (a * b).sum(-1), rtol=1e-4 if found.dtype == np.float32 else 1e-12)
    np.testing.assert_allclose(core.dot(left, left, axis=0), (left * left).sum(0))
    odd = np.array([0, 2, 255, 1], np.uint8).view(bool)
    assert core.count_both(odd, odd) == 3
    with pytest.raises(RuntimeError, match="empty"):
        core.failing([], [])


def test_outputs_of_generalized_ufuncs(store: Path) -> None:
    source = (
        "pub fn running(x: &[f64], start: f64, out: &mut [f64]) -> (f64, bool) {"
        " let mut sum = start; for (o, x) in out.iter_mut().zip(x) { sum += x; *o = sum; } (sum, sum > 0.0) }\n"
        "pub fn flags(x: &[f64], limit: f64, out: &mut [bool]) -> (u8, i16) {"
        " for (o, x) in out.iter_mut().zip(x) { *o = *x > limit; } (1, 2) }\n"
    )
    made = build(source, ufunc="(n), () -> (n), (), ()", parallel=True, store=store).load()
    for shape in ((7,), (3, 7), (40000, 6), (0, 5), (2, 0)):
        values = np.random.default_rng(3).normal(size=shape)
        for view in (values, values[..., ::-1], np.asfortranarray(values)):
            running, sums, positive = made.running(view, 1.0)
            np.testing.assert_allclose(running, np.cumsum(view, -1) + 1)
            np.testing.assert_allclose(sums, view.sum(-1) + 1)
            assert positive.dtype == bool
            np.testing.assert_array_equal(made.flags(view, 0)[0], view > 0)
    values = np.random.default_rng(3).normal(size=(5, 3000))
    np.testing.assert_allclose(made.running(values, 0, axes=[0, (), 0, (), ()])[0], np.cumsum(values, 0))
    expected = np.cumsum(values, -1)
    made.running(values, 0, out=(values, None, None))
    np.testing.assert_allclose(values, expected)


def test_complex_numbers(store: Path) -> None:
    source = (
        "use num_complex::Complex;\n"
        "pub fn square(z: num_complex::Complex64) -> Complex<f64> { z * z }\n"
        "pub fn polar(z: Complex<f32>) -> (f32, Complex<f32>) { (z.norm(), z.conj()) }\n"
        "pub fn checked(z: Complex<f64>, x: f64) -> Result<Complex<f64>, &'static str>"
        ' { if x == 0.0 { Err("zero") } else { Ok(z / x) } }\n'
        "pub fn logistic<T: num_traits::Float>(x: T) -> T { T::one() / (T::one() + (-x).exp()) }\n"
    )
    made = build(source, ufunc="", dependencies=CRATES, store=store).load()
    values = np.array([1 + 2j, -3.5j, 0])
    np.testing.assert_allclose(made.square(values), values**2)
    size, conjugated = made.polar(values.astype(np.complex64)[::-1])
    np.testing.assert_allclose(size, abs(values)[::-1], rtol=1e-6)
    np.testing.assert_allclose(conjugated, values.conj()[::-1], rtol=1e-6)
    assert made.square(2) == 4
    np.testing.assert_allclose(made.checked(values, [[2], [4]]), values / [[2], [4]])
    with pytest.raises(RuntimeError, match="zero"):
        made.checked(values, 0)
    assert made.logistic(np.float32(0)).dtype == np.float32
    assert made.logistic(0) == 0.5


def test_views_of_ndarray(store: Path) -> None:
    source = (
        "use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};\n"
        "pub fn matvec<'a>(m: ArrayView2<'a, f64>, v: ArrayView1<f64>, mut out: ArrayViewMut1<'_, f64>)"
        " { out.assign(&m.dot(&v)); }\n"
    )
    made = build(source, ufunc="(m,n),(n)->(m)", dependencies=CRATES, store=store).load()
    matrix, vector = np.arange(24.0).reshape(2, 3, 4), np.arange(4.0)
    np.testing.assert_allclose(made.matvec(matrix, vector), matrix @ vector)
    np.testing.assert_allclose(made.matvec(matrix.transpose(2, 1, 0), [1, 2]), matrix.transpose(2, 1, 0) @ [1, 2])


def test_pickles_into_other_processes_by_content(plain_build: Build, store: Path, tmp_path: Path) -> None:
    import cloudpickle

    ufunc = plain_build.load().double
    assert pickle.loads(pickle.dumps(ufunc)) is ufunc
    alias = plain_build.artifact.alias
    edited = build(PLAIN.replace("2.0 * x", "3.0 * x"), ufunc="", module="ufunc_plain", store=store)
    assert edited.load().double(1.0) == 3.0
    for built in (plain_build, edited):
        (tmp_path / f"{built.artifact.alias}.py").write_text(stub(store, built.artifact))
    sent = [dumps(each.load().double) for each in (plain_build, edited) for dumps in (pickle.dumps, cloudpickle.dumps)]
    assert all(alias.encode() in text for text in sent[:2])
    code = f"import pickle; print([float(pickle.loads(text)(10)) for text in {sent!r}])"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *filter(None, sys.path)))}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "[20.0, 20.0, 30.0, 30.0]\n", done.stderr


def test_polars_takes_ufuncs(plain: ModuleType) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"x": [1.0, None, 3.0]})
    assert plain.double(frame["x"]).to_list() == [2.0, None, 6.0]
    assert frame.select(plain.double(polars.col("x")))["x"].to_list() == [2.0, None, 6.0]


def test_dask_takes_ufuncs(plain: ModuleType) -> None:
    array = pytest.importorskip("dask.array")
    values = np.arange(100.0)
    made = plain.double(array.from_array(values, chunks=10))
    np.testing.assert_array_equal(made.compute(scheduler="threads"), 2 * values)


def test_subclasses_and_pandas(plain: ModuleType) -> None:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    assert plain.double(masked).tolist() == [2.0, None, 6.0]
    pandas = pytest.importorskip("pandas")
    made = plain.double(pandas.Series([1.0, 2.0], index=["a", "b"]))
    assert made.index.tolist() == ["a", "b"]
    assert made.tolist() == [2.0, 4.0]
