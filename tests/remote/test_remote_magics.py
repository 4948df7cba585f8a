"""``%pyo3_connect``, ``%%rust --on`` and ``%rust_on`` in a real kernel, against other real kernels."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from pyo3magic.remote.target import Deadline
from tests.integration.kernel import Kernel

from .conftest import TOKEN, start_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyo3magic.remote.jupyter_server import JupyterServer
    from pyo3magic.remote.kernel import RemoteKernel

    from .conftest import RunningKernel

pytestmark = pytest.mark.cargo

POINT = """
    #[pyclass(get_all)] pub struct Point { pub x: i64, pub y: i64 }
    #[pymethods] impl Point { #[new] fn new(x: i64, y: i64) -> Self { Point { x, y } } }
    #[pyfunction] fn machine() -> &'static str { std::env::consts::ARCH }
"""
PLANE = """
    #[pyclass(get_all, from_py_object)] #[derive(Clone)] pub struct Vector { pub x: i64, pub y: i64 }
    #[pymethods] impl Vector { #[new] fn new(x: i64, y: i64) -> Self { Vector { x, y } } }
"""
MIRRORED = """
    use plane::Vector;
    #[pyfunction] fn mirrored(it: Vector) -> Vector { Vector { x: -it.x, y: it.y } }
"""
COUNTER = """
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    #[pyfunction] pub fn next() -> u32 { LAST.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 }
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
TRUE, FALSE = [{"text/plain": "True"}], [{"text/plain": "False"}]
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


def test_a_panic_there_names_the_cell(here: Kernel, there: RunningKernel) -> None:
    here.rust('#[pyfunction] fn falls() {\n    panic!("down")\n}', "--on box")
    label = here.value("get_ipython().displayhook.prompt_count - 1")
    said = here.run("%rust_on box falls()", expect="error").text
    assert "PanicException: down" in said
    assert f"The Rust code panicked in In[{label}], line 3, column 5." in said
    assert "5" in here.run("%rust_on box 2 + 3").text


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
        "import pyo3magic.remote.exchange as k\n"
        "asked, ask = [], k.Exchange.request\n"
        "def count(self, *a, **b): asked.append(a); return ask(self, *a, **b)\n"
        "k.Exchange.request = count"
    )
    assert "it was there already" in here.rust(POINT, "-m geometry --on box").text
    here.run("k.Exchange.request = ask")
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


class TestSharedTypes:
    """Cells that use cells are libraries there as here: one class, one static, whoever uses it."""

    def test_classes_are_the_same_ones(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(PLANE, "-m plane --on box")
        assert "mirrored, plane bound" in here.rust(MIRRORED, "--on box").text
        assert here.run("%rust_on box type(mirrored(plane.Vector(1, 2))) is plane.Vector").displays == TRUE

    def test_only_what_is_new_is_sent(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(PLANE, "-m plane --on box")
        again = here.rust(MIRRORED.replace("-it.x", "2 * it.x"), "--on box").text
        assert int(re.findall(r"([0-9,]+) kB sent", again)[0].replace(",", "")) < 200

    def test_an_edit_gives_a_new_type_there_too(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(PLANE, "-m plane --on box")
        here.rust(MIRRORED, "--on box")
        here.run("%rust_on box before = plane.Vector, mirrored")
        here.rust(PLANE + "\npub fn more() {}", "-m plane --on box")
        assert here.run("%rust_on box before[0] is plane.Vector").displays == FALSE
        assert here.run("%rust_on box type(before[1](before[0](1, 2))) is before[0]").displays == TRUE
        assert "TypeError" in here.run("%rust_on box mirrored(plane.Vector(1, 2))", expect="error").evalue
        here.rust(MIRRORED, "--on box")
        assert here.run("%rust_on box type(mirrored(plane.Vector(1, 2))) is plane.Vector").displays == TRUE

    def test_cells_that_were_run_here_go_along(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(COUNTER, "-m counter")
        here.rust("#[pyfunction] pub fn count() -> u32 { counter::next() }", "-m steps")
        here.rust("#[pyfunction] fn twice() -> u32 { steps::count() + steps::count() }", "--on box")
        # Only what the cell names itself is bound; what that uses in turn is there all the same.
        assert here.run("%rust_on box twice(), steps.count(), 'counter' in globals()").displays == [
            {"text/plain": "(3, 3, False)"}
        ]
        here.rust(COUNTER, "-m counter --on box")
        assert here.run("%rust_on box counter.next()").displays == [{"text/plain": "4"}]
        assert here.value("counter.next()") == 1

    def test_dependencies_are_shared(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(
            "pub fn text(n: u64) -> String { itoa::Buffer::new().format(n).to_owned() }", "-m digits -d itoa --on box"
        )
        here.rust("#[pyfunction] fn long(n: u64) -> usize { digits::text(n).len() }", "--on box")
        assert here.run("%rust_on box long(12345), digits.text(7)").displays == [{"text/plain": "(5, '7')"}]

    def test_debug_builds_mix(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(PLANE, "-m plane --on box")
        here.rust(MIRRORED, "--debug --on box")
        assert here.run("%rust_on box type(mirrored(plane.Vector(1, 2))) is plane.Vector").displays == TRUE

    def test_everything_is_loaded_from_the_private_folder(self, here: Kernel, there: RunningKernel) -> None:
        here.rust(PLANE, "-m plane --on box")
        here.rust(MIRRORED, "--on box")
        maps = here.run("%rust_on box print(open('/proc/self/maps').read())").stdout
        loaded = {line.split()[-1] for line in maps.splitlines() if "pyo3magic_runtime" in line or "libstd-" in line}
        assert loaded
        assert all(path.startswith(str(there.temporary)) for path in loaded)

    def test_without_shared_libraries_a_note_says_what_is_not_shared(self, here: Kernel, there: RunningKernel) -> None:
        here.run("%env PYO3MAGIC_LINKING=source")
        try:
            here.rust(PLANE, "-m plane --on box")
            shown = here.rust(MIRRORED, "--on box").text
        finally:
            here.run("import os; del os.environ['PYO3MAGIC_LINKING']")
        assert "This module has its own copy of plane" in shown
        assert "TypeError" in here.run("%rust_on box mirrored(plane.Vector(1, 2))", expect="error").evalue


def test_output_of_evaluation(here: Kernel, there: RunningKernel) -> None:
    result = here.run("%%rust_on box\nimport sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
    assert (result.stdout, result.stderr, result.displays) == ("out\n", "err\n", [{"text/plain": "42"}])
    page = here.run("%rust_on box __import__('IPython').display.HTML('<b>x</b>')").displays[0]
    assert page["text/html"].startswith('<iframe sandbox srcdoc="&lt;b&gt;x')
    picture = here.run(f"%rust_on box __import__('IPython').display.Image(__import__('base64').b64decode('{PIXEL}'))")
    assert picture.displays[0]["image/png"].strip() == PIXEL
    failed = here.run("%rust_on box 1 / 0", expect="error")
    assert failed.ename == "TargetError"
    assert "ZeroDivisionError" in failed.evalue


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("%%rust --on nowhere\npub fn f() {}", "OptionError", "No remote kernel is named 'nowhere'. Connected: box"),
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


def test_kernel_that_is_busy(here: Kernel, there: RunningKernel, connect: Callable[..., RemoteKernel]) -> None:
    connect(there).exchange.execute("import time; time.sleep(8)", silent=True)
    here.run("%config PyO3Magic.remote_timeout = 2.0")
    try:
        failed = here.rust("pub fn later() -> i64 { 1 }", "--on box", expect="error")
    finally:
        here.run("%config PyO3Magic.remote_timeout = 60.0")
    assert failed.ename == "TargetTimeoutError"
    assert "did not answer within 2 seconds: it is busy" in failed.evalue
    assert "Traceback" not in failed.traceback
    assert "later bound" in here.rust("pub fn later() -> i64 { 1 }", "--on box").text


def test_restarted_kernel_gets_all_of_it_again(here: Kernel, start: Callable[..., RunningKernel]) -> None:
    running = start("restarted")
    here.run(f"%pyo3_connect again {running.connection_file}")
    here.rust(PLANE, "-m plane --on again")
    assert " kB sent" in here.rust(MIRRORED, "--on again").text
    running.restart()
    while True:
        result = here.result(here.submit(f"%%rust --on again\n{MIRRORED}"))
        if result.status == "ok":
            break
        assert result.ename in {"TargetDiedError", "TargetUnreachableError", "TargetTimeoutError"}
    assert " kB sent" in result.text
    assert here.run("%rust_on again type(mirrored(plane.Vector(1, 2))) is plane.Vector").displays == TRUE
    here.run("%pyo3_connect again --close")


class TestJupyterServer:
    """Found by id or name, started if asked; let in with a token that is never shown."""

    def test_kernel_is_started_and_found_by_id(self, here: Kernel, server: JupyterServer) -> None:
        shown = here.run(f"%pyo3_connect hub {server.address} --token {TOKEN} --kernel python3 --start")
        assert str(shown.value).startswith(f"hub: server at {server.address}/api/kernels/")
        (kernel,) = re.findall(r"/api/kernels/([0-9a-f-]+)", str(shown.value))
        try:
            here.rust(PLANE, "-m plane --on hub")
            here.rust(MIRRORED, "--on hub")
            assert here.run("%rust_on hub type(mirrored(plane.Vector(1, 2))) is plane.Vector").displays == TRUE
            here.run(f"import os; os.environ['JUPYTER_TOKEN'] = {TOKEN!r}")
            here.run(f"%pyo3_connect same {server.address} --kernel {kernel}")
            here.run("del os.environ['JUPYTER_TOKEN']")
            assert here.run("%rust_on same mirrored(plane.Vector(1, 2)).x").displays == [{"text/plain": "-1"}]
            listed = here.run("%pyo3_connect").text
            assert listed.count(kernel) == 2
            assert TOKEN not in shown.text + listed
        finally:
            server.shut_down(kernel, Deadline.after(30))

    def test_token_is_asked_for(self, here: Kernel, server: JupyterServer) -> None:
        kernel = server.find("python3", Deadline.after(30), start=True)
        try:
            identity = here.submit(f"%pyo3_connect asked {server.address} --kernel {kernel}")
            request = here.client.get_stdin_msg(timeout=60)["content"]
            assert request["password"]
            here.client.input(TOKEN)
            result = here.result(identity)
            assert str(result.value).endswith("; answers")
            assert TOKEN not in result.text
        finally:
            server.shut_down(kernel, Deadline.after(30))

    def test_wrong_token_is_not_shown(self, here: Kernel, server: JupyterServer) -> None:
        failed = here.run(f"%pyo3_connect no {server.address} --token open-sesame --kernel python3", expect="error")
        assert failed.ename == "TargetRefusedError"
        assert "open-sesame" not in failed.traceback


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
    assert re.search(
        r"^mortal: kernel at tcp://.* (died|did not answer)", str(here.run("%pyo3_connect").value), re.MULTILINE
    )
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
        first = kernel.run(f"%%rust -m geometry --on arm\n{POINT}", timeout=600)  # compiles pyo3
        assert "aarch64: Point, geometry, machine bound" in first.text
        assert kernel.run("%rust_on arm machine(), Point(1, 2).y").displays == [{"text/plain": "('aarch64', 2)"}]
        kernel.rust(PLANE, "-m plane --on arm")
        assert "aarch64: mirrored, plane bound" in kernel.rust(MIRRORED, "--on arm").text
        same = "%rust_on arm type(mirrored(plane.Vector(1, 2))) is plane.Vector"
        assert kernel.run(same).displays == TRUE
        kernel.rust(PLANE + "\npub fn more() {}", "-m plane --on arm")
        assert "TypeError" in kernel.run("%rust_on arm mirrored(plane.Vector(1, 2))", expect="error").evalue
        assert " kB sent" in kernel.rust(MIRRORED, "--on arm").text
        assert kernel.run(same).displays == TRUE
    finally:
        kernel.close()
