"""The store, when several kernels use it, when they are killed, and when it is damaged."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.context import gather
from pyo3magic.store import Store
from pyo3magic.store.locking import exclusive
from pyo3magic.store.upkeep import measure, prune

from .kernel import wait_until

if TYPE_CHECKING:
    from .conftest import Start
    from .kernel import Kernel

pytestmark = pytest.mark.cargo

HEAVY = """
pub fn {name}(mut x: u64) -> u64 {{
    macro_rules! rounds {{ ($($n:literal)*) => {{ $( x = x.rotate_left($n) ^ x.wrapping_mul($n).wrapping_add({seed}); )* }}; }}
    rounds!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    x
}}
"""


@pytest.fixture
def copied_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the shared store's artifacts and records: good for hits, cheap to make, and never measured."""
    copy = tmp_path / "copied"
    left_out = ("targets", "sessions", "tmp", "locks")
    shutil.copytree(store, copy, symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    for name in left_out:
        (copy / name).mkdir(mode=0o700)
    return copy


def test_pain_4_the_same_new_cell_in_two_kernels_at_once(start: Start) -> None:
    """With rustimport one of them segfaults, with rustdef one fails silently."""
    kernels = [start(), start()]
    for seed in range(3):
        name = f"race_{seed}"
        cell = "%%rust\n" + HEAVY.format(name=name, seed=random.randrange(10**9)).strip()
        for kernel, identity in [(kernel, kernel.submit(cell)) for kernel in kernels]:
            shown = kernel.result(identity)
            assert shown.status == "ok", shown.text
        first, second = (kernel.value(f"{name}(12345)") for kernel in kernels)
        assert first == second


def test_different_cells_in_two_kernels_at_once(start: Start) -> None:
    kernels = [start(), start()]
    for round_ in range(3):
        running = []
        for index, kernel in enumerate(kernels):
            value = 10 * round_ + index
            cell = f"%%rust -m same_name\n#[pyfunction] fn mine() -> i64 {{ {value} }} // {random.random()}"
            running.append((kernel, kernel.submit(cell), value))
        for kernel, identity, value in running:
            assert kernel.result(identity).status == "ok"
            assert kernel.value("mine(), same_name.mine()") == (value, value)


def test_who_waits_sees_it(kernel: Kernel, store: Path) -> None:
    """Another process holds the cargo target folders: a build that needs cargo says that it waits."""
    from contextlib import ExitStack

    target_locks = [
        store / "locks" / f"target-{folder.name}.lock" for folder in (store / "targets").iterdir() if folder.is_dir()
    ]
    with ExitStack() as stack:
        for lock in target_locks:
            stack.enter_context(exclusive(lock))
        identity = kernel.submit("%%rust --force\n#[pyfunction] fn waited() -> i64 { 1 }")
        kernel.while_running(
            identity, lambda: any("Waiting for another build" in t for t in kernel.partial(identity).seen)
        )
    shown = kernel.result(identity)
    assert shown.status == "ok"
    assert shown.text == ""
    assert kernel.value("waited()") == 1


def test_waiting_can_be_interrupted(kernel: Kernel, store: Path) -> None:
    from contextlib import ExitStack

    target_locks = [
        store / "locks" / f"target-{folder.name}.lock" for folder in (store / "targets").iterdir() if folder.is_dir()
    ]
    with ExitStack() as stack:
        for lock in target_locks:
            stack.enter_context(exclusive(lock))
        identity = kernel.submit("%%rust --force\n#[pyfunction] fn never() -> i64 { 1 }")
        kernel.while_running(identity, lambda: any("Waiting" in text for text in kernel.partial(identity).seen))
        kernel.interrupt()
        assert kernel.result(identity, timeout=20).ename == "Interrupted"
    assert kernel.value("'never' in globals()") is False


def _runs(kernel: Kernel, program: str) -> bool:
    return program in kernel.running()


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
@pytest.mark.parametrize("through", ["rustc", "cargo"])
def test_a_kernel_killed_at_any_moment_leaves_nothing_broken(start: Start, through: str) -> None:
    """Killed while rustc runs, while cargo runs, and at a random moment after the cell was sent."""
    moments = random.Random(7 if through == "cargo" else 8)
    option = "--force" if through == "cargo" else ""
    for attempt in range(3):
        victim = start()
        name = f"victim_{through}_{attempt}"
        cell = f"%%rust {option}\n#[pyfunction] fn {name}() -> i64 {{ {moments.randrange(10**6)} + {attempt} }} // {os.urandom(4).hex()}"
        identity = victim.submit(cell)
        if attempt == 0:
            victim.while_running(identity, partial(_runs, victim, through))
        else:
            victim.partial(identity, moments.uniform(0.0, 0.6))
        victim.kill()
        heir = start()
        heir.run(cell)
        heir.run(f"{name}()")


def test_a_damaged_artifact_is_built_anew(start: Start, store: Path) -> None:
    cell = f"#[pyfunction] fn damaged() -> i64 {{ 1 }} // {os.urandom(4).hex()}"
    kernel = start()
    kernel.rust(cell, "-m damaged_module")
    file = Path(kernel.value("damaged_module.__file__"))
    for harm in ("truncate", "garbage", "record", "missing"):
        kernel.close()
        victim = file.parent / "record.json" if harm == "record" else file
        if harm == "missing":
            victim.unlink()
        else:
            data = victim.read_bytes()
            victim.chmod(0o700)
            changed = {"truncate": data[: len(data) // 2], "garbage": b"\0" * len(data), "record": b"{}"}[harm]
            victim.unlink()
            victim.write_bytes(changed)
        kernel = start()
        kernel.rust(cell, "-m damaged_module")
        assert kernel.value("damaged()") == 1, harm
    assert store.exists()


AUDIT = """
import sys
started = []
def _hook(event, arguments):
    if event in {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system", "os.forkpty", "os.spawn"}:
        started.append(event)
sys.addaudithook(_hook)
"""


def test_a_cell_in_the_store_starts_no_process(start: Start) -> None:
    cell = "#[pyfunction] fn quiet() -> i64 { 1 }"
    start().rust(cell, "-d itoa")
    kernel = start(load=False)
    kernel.run(AUDIT)
    kernel.run("%load_ext pyo3magic")
    kernel.rust(cell, "-d itoa")
    kernel.rust(cell, "-d itoa")
    assert kernel.value("quiet(), started") == (1, [])
    kernel.rust(f"{cell} // {os.urandom(4).hex()}", "-d itoa")
    assert "subprocess.Popen" in kernel.value("started")  # the hook does see processes


def test_a_hit_in_another_kernel_shows_the_warnings_again(start: Start) -> None:
    """Pain 10: elsewhere, warnings vanish on a cache hit."""
    cell = "#[pyfunction] fn careless() { let unused = 1; }"
    for _ in range(2):
        kernel = start()
        for _ in range(2):
            assert "unused variable: `unused`" in kernel.rust(cell).text


def test_an_included_file_is_part_of_the_cell(kernel: Kernel) -> None:
    text = kernel.folder / "text.txt"
    cell = f'#[pyfunction] fn included() -> &\'static str {{ include_str!("{text.as_posix()}") }}'
    for content in ("one", "two", "one"):
        text.write_text(content)
        kernel.rust(cell)
        assert kernel.value("included()") == content


def test_a_variable_read_by_env_is_part_of_the_cell(kernel: Kernel) -> None:
    cell = '#[pyfunction] fn variable() -> Option<&\'static str> { option_env!("PYO3MAGIC_TEST_VARIABLE") }'
    for value in ("one", "two", None, "one"):
        setting = (
            f"os.environ['PYO3MAGIC_TEST_VARIABLE'] = {value!r}"
            if value
            else "os.environ.pop('PYO3MAGIC_TEST_VARIABLE')"
        )
        kernel.run(f"import os; {setting};")
        kernel.rust(cell)
        assert kernel.value("variable()") == value


@pytest.mark.parametrize("name", ["RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "CC", "PYO3_PYTHON"])
def test_what_cargo_and_rustc_read_from_the_environment_is_part_of_the_cell(
    store: Path, environment: dict[str, str], name: str
) -> None:
    value = {"PYO3_PYTHON": sys.executable}.get(name, "thin")
    contexts = [gather(Store(store), environ=variables) for variables in (environment, {**environment, name: value})]
    keys = {context.key(Options(), "fn f() {}") for context in contexts}
    assert len(keys) == 2


def test_the_store_is_private(store: Path) -> None:
    if os.name != "posix":
        pytest.skip("POSIX permissions")
    for path in (store, *(child for child in store.iterdir() if child.is_dir())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
        assert path.stat().st_uid == os.getuid()
    for artifact in store.glob("artifacts/*/*/*.so"):
        assert stat.S_IMODE(artifact.stat().st_mode) & 0o222 == 0


def make_old(store: Path) -> None:
    """Make all folders look as if nobody had used them for some hours."""
    then = time.time() - 3 * 3600
    for path in (*store.glob("artifacts/*/*/record.json"), *store.glob("plans/*"), *store.glob("targets/*")):
        os.utime(path, (then, then))
    for path in store.glob("runtimes/*"):
        os.utime(path, (then, then))


def test_pruning_never_removes_what_a_live_kernel_uses(start: Start, copied_store: Path, kernel: Kernel) -> None:
    mine, other = (f"#[pyfunction] fn kept_{n}() -> i64 {{ {n} }}" for n in (1, 2))
    kernel.rust(mine, "-m kept_module")
    kernel.rust(other)
    shutil.rmtree(copied_store)
    source = Path(kernel.value("__import__('os').environ['PYO3MAGIC_STORE']"))
    shutil.copytree(source, copied_store, ignore=shutil.ignore_patterns("targets", "sessions", "tmp", "*.lock"))
    for name in ("targets", "sessions", "tmp"):
        (copied_store / name).mkdir(mode=0o700)
    user = start(PYO3MAGIC_STORE=str(copied_store))
    user.rust(mine, "-m kept_module")
    assert user.value("kept_module.__file__").startswith(str(copied_store))
    store = Store(copied_store)
    assert measure(store).of("artifact")[0] > 1
    assert prune(store, 0) == 0, "everything is young"
    make_old(copied_store)
    assert prune(store, 0) > 0
    assert measure(store).of("artifact")[0] == 1
    assert Path(user.value("kept_module.__file__")).exists()
    assert user.value("import multiprocessing as m; m.get_context('spawn').Pool(1).apply(kept_1)") == 1
    user.close()
    make_old(copied_store)
    prune(store, 0)
    assert measure(store).of("artifact")[0] == 0


@pytest.mark.slow
def test_a_build_keeps_the_store_within_its_limit(start: Start, copied_store: Path) -> None:
    make_old(copied_store)
    kernel = start(PYO3MAGIC_STORE=str(copied_store), PYO3MAGIC_SIZE_LIMIT="1kB")
    assert measure(Store(copied_store)).of("artifact")[0] >= 1
    kernel.rust("#[pyfunction] fn one_more() -> i64 { 1 }")
    wait_until(lambda: measure(Store(copied_store)).of("artifact")[0] == 1)
    assert kernel.value("one_more()") == 1


def test_the_cache_magic_shows_prunes_and_clears(start: Start, copied_store: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(copied_store))
    before = kernel.value("%pyo3_cache --json")
    assert before["store"] == str(copied_store)
    assert before["artifacts"]["count"] > 0
    assert str(copied_store) in kernel.run("%pyo3_cache").text
    assert kernel.value("%pyo3_cache --prune 100GB --json")["freed"] == 0
    cleared = kernel.value("%pyo3_cache --clear --json")
    assert cleared["artifacts"]["count"] == 0
    assert cleared["bytes"] < before["bytes"]


def test_a_store_of_somebody_else_is_refused(start: Start, tmp_path: Path) -> None:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "foreign"
    Store(folder)
    os.chown(folder, 12345, -1)
    kernel = start(PYO3MAGIC_STORE=str(folder))
    shown = kernel.rust("fn x() {}", expect="error")
    assert shown.ename == "StoreError"
    assert "belongs to another user" in shown.text


def test_an_unwritable_store(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for place in (file, file / "below", "/proc/none"):
        kernel = start(PYO3MAGIC_STORE=str(place))
        shown = kernel.rust("fn x() {}", expect="error")
        assert shown.ename == "StoreError"
        assert "PYO3MAGIC_STORE" in shown.text
        assert "Traceback" not in shown.text
        kernel.close()


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_a_full_disk(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        kernel = start(PYO3MAGIC_STORE=str(folder / "store"))
        shown = kernel.rust("#[pyfunction] fn nowhere() {}", expect="error")
        assert shown.ename == "StoreError", shown.text
        assert "Traceback" not in shown.text
        assert kernel.value("'nowhere' in globals()") is False
        kernel.close()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
