"""``%pyo3_connect``, ``%%rust --on`` and ``%rust_on`` in a real kernel, against other real kernels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.kernel import Kernel

from .conftest import start_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import RunningKernel

pytestmark = pytest.mark.cargo

POINT = """
    #[pyclass(get_all)] pub struct Point { pub x: i64, pub y: i64 }
    #[pymethods] impl Point { #[new] fn new(x: i64, y: i64) -> Self { Point { x, y } } }
    #[pyfunction] fn machine() -> &'static str { std::env::consts::ARCH }
"""
OWN_MODULE = """
    #[pymodule]
    mod own {
        #[pymodule_export] const ANSWER: i64 = 42;
        #[pyo3::pyfunction] fn twice(x: i64) -> i64 { 2 * x }
    }
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Iterator[Kernel]:
    variables = {**environment, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
    kernel = Kernel(tmp_path_factory.mktemp("here"), variables)
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, here: Kernel) -> Iterator[RunningKernel]:
    running = start_kernel(tmp_path_factory.mktemp("there"))
    try:
        here.run(f"%pyo3_connect box {running.connection_file}")
        yield running
    finally:
        running.end()


def test_connect_lists_kernels(here: Kernel, there: RunningKernel) -> None:
    value = here.run("%pyo3_connect").value
    assert value is not None
    assert value.startswith("box: kernel at tcp://")
    assert "CPython 3." in value
    assert value.endswith("; answers")


def test_cell_is_imported_there_and_not_here(here: Kernel, there: RunningKernel) -> None:
    result = here.rust(POINT, "-m geometry --on box")
    assert "box (CPython" in result.text
    assert "Point, geometry, machine bound" in result.text
    assert "kB sent" in result.text
    assert here.run("%rust_on box import geometry; p = geometry.Point(3, 4); (p.x, p.y)").stdout == ""
    assert here.run("%rust_on box (p.x, p.y), geometry.Point is Point").displays == [{"text/plain": "((3, 4), True)"}]
    assert here.run("geometry", expect="error").ename == "NameError"


def test_on_here_is_the_cell_in_this_kernel(here: Kernel) -> None:
    here.rust("#[pyclass] pub struct Spot; #[pymethods] impl Spot { #[new] fn new() -> Self { Spot } }", "-m plain")
    result = here.rust("use plain::Spot;\n#[pyfunction] fn seven(_s: &Spot) -> i64 { 7 }", "-m linked --on here")
    assert "here (CPython" in result.text
    assert "linked, seven bound, it was there already" in result.text
    assert here.run("import linked; linked.seven is seven, seven(plain.Spot())").value == "(True, 7)"
    assert here.run("%rust_on here print('said'); seven(plain.Spot()) + 1").stdout == "said\n"


def test_unchanged_cell_is_not_sent_again_and_takes_two_round_trips(here: Kernel, there: RunningKernel) -> None:
    here.rust(POINT, "-m geometry --on box")
    here.run(
        "import pyo3magic.targets.kernel as k\n"
        "asked, ask = [], k.RemoteKernel._request\n"
        "def count(self, *a, **b): asked.append(a); return ask(self, *a, **b)\n"
        "k.RemoteKernel._request = count"
    )
    assert "it was there already" in here.rust(POINT, "-m geometry --on box").text
    here.run("k.RemoteKernel._request = ask")
    assert here.value("len(asked)") <= 2


def test_names_of_an_own_module_are_bound(here: Kernel, there: RunningKernel) -> None:
    assert "ANSWER, own, twice bound" in here.rust(OWN_MODULE, "--on box").text
    assert here.run("%rust_on box twice(ANSWER)").displays == [{"text/plain": "84"}]


def test_unnamed_cell_binds_only_what_it_exports(here: Kernel, there: RunningKernel) -> None:
    assert ": thrice bound, " in here.rust("pub fn thrice(x: i64) -> i64 { 3 * x }", "--on box").text


def test_cell_that_uses_a_cell_that_was_only_sent(here: Kernel, there: RunningKernel) -> None:
    here.rust("pub fn half(x: f64) -> f64 { x / 2.0 }", "-m halves --on box")
    here.rust("#[pyfunction] fn quarter(x: f64) -> f64 { halves::half(halves::half(x)) }", "--on box")
    assert here.run("%rust_on box quarter(8.0)").displays == [{"text/plain": "2.0"}]


def test_output_of_evaluation(here: Kernel, there: RunningKernel) -> None:
    result = here.run("%%rust_on box\nimport sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
    assert (result.stdout, result.stderr, result.displays) == ("out\n", "err\n", [{"text/plain": "42"}])
    failed = here.run("%rust_on box 1 / 0", expect="error")
    assert failed.ename == "TargetError"
    assert "ZeroDivisionError" in failed.evalue


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("%%rust --on nowhere\npub fn f() {}", "OptionError", "No remote kernel is called 'nowhere'; there are: box"),
        ("%%rust --on 'x[0]'\npub fn f() {}", "OptionError", "NameError"),
        ("%%rust --on int\npub fn f() {}", "OptionError", "--on cannot ship to type"),
        ("%%rust --on box --python /usr/bin/python3\npub fn f() {}", "OptionError", "Leave out --python"),
        ("%%rust --on box\npub fn f() -> i64 { true }", "CompileError", "mismatched types"),
        ("%rust_on nowhere 1", "OptionError", "No remote kernel"),
        ("%rust_on box", "OptionError", "nothing to evaluate"),
        ("%pyo3_connect box /no/such/file.json", "TargetUnreachableError", "There is no connection file"),
        ("%pyo3_connect 1x /no/such/file.json", "OptionError", "cannot be a kernel's name"),
    ],
)
def test_errors_are_one_sentence(here: Kernel, there: RunningKernel, code: str, kind: str, words: str) -> None:
    failed = here.run(code, expect="error")
    assert failed.ename == kind
    assert words in failed.evalue + failed.text
    assert "Traceback" not in failed.traceback
    assert 'File "' not in failed.traceback


def test_kernel_that_dies(
    here: Kernel, there: RunningKernel, tmp_path: Path, start: Callable[..., RunningKernel]
) -> None:
    running = start("mortal")
    here.run(f"%pyo3_connect mortal {running.connection_file}")
    running.process.kill()
    running.process.wait()
    here.run("%config PyO3Magic.remote_timeout = 5.0")
    failed = here.rust("pub fn g() {}", "--on mortal", expect="error")
    here.run("%config PyO3Magic.remote_timeout = 60.0")
    assert failed.ename.startswith("Target")
    assert "Traceback" not in failed.traceback
    assert here.run("%pyo3_connect mortal --close").value == "mortal is closed."
    assert here.value("1 + 1") == 2


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("PYO3MAGIC_CROSS"),
    reason="PYO3MAGIC_CROSS is not set: run .ci/cross, then source the env.sh it writes",
)
def test_kernel_of_another_architecture(
    tmp_path: Path, environment: dict[str, str], store: Path, start: Callable[..., RunningKernel]
) -> None:
    folder = os.environ["PYO3MAGIC_CROSS"]
    running = start("arm", python=os.environ["PYO3MAGIC_CROSS_PYTHON_AARCH64"])
    variables = {
        **environment,
        "PYO3MAGIC_STORE": str(store),
        "PYO3MAGIC_WARM_UP": "0",
        "RUSTC": os.environ["PYO3MAGIC_CROSS_RUSTC"],
        "PATH": f"{folder}/bin{os.pathsep}{environment['PATH']}",
    }
    kernel = Kernel(tmp_path / "here", variables)
    try:
        kernel.run("%config PyO3Magic.remote_timeout = 120.0")
        assert "aarch64" in str(kernel.run(f"%pyo3_connect arm {running.connection_file}").value)
        assert "aarch64: Point, geometry, machine bound" in kernel.rust(POINT, "-m geometry --on arm").text
        assert kernel.run("%rust_on arm machine(), Point(1, 2).y").displays == [{"text/plain": "('aarch64', 2)"}]
        kernel.rust("#[pyfunction] fn cross(p: i64) -> i64 { geometry::Point { x: p, y: 1 }.x }", "--on arm")
        assert kernel.run("%rust_on arm cross(7)").displays == [{"text/plain": "7"}]
    finally:
        kernel.close()
