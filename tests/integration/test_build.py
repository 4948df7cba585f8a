"""How a cell is built."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.compile.build_crate import compile_crate
from pyo3magic.compile.build_environment import with_cargo_environment
from pyo3magic.compile.prepare import make_crate
from pyo3magic.compile.profile import Profile
from pyo3magic.environment.context import gather
from pyo3magic.store import Store

from .corpus import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.crate import Crate
    from pyo3magic.environment.context import Context

    from .conftest import Start
    from .corpus import Sample
    from .kernel import Kernel

pytestmark = pytest.mark.cargo


@pytest.fixture(scope="module")
def context(store: Path, environment: dict[str, str]) -> Context:
    return with_cargo_environment(gather(Store(store), environ=environment))


def _options(sample: Sample) -> Options:
    words = sample.line.split()
    named = dict(zip(words[::2], words[1::2], strict=False))
    return Options(
        module=named.get("-m"),
        debug="--debug" in words,
        edition=named.get("--edition"),
        features=tuple(filter(None, [named.get("--features")])),
    )


def _crate(context: Context, options: Options, body: str) -> Crate:
    cell = parse_cell(options, body)
    return make_crate(context, cell, analyse(cell.source), key=context.key(options, body))


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_the_fast_path_makes_what_cargo_makes(context: Context, sample: Sample) -> None:
    """Started directly, rustc gives byte for byte what `cargo build` gives for the same package in the same place."""
    options = _options(sample)
    crate = _crate(context, options, sample.body)
    profile = Profile(options.debug, options.native, options.features)
    with context.store.workspace() as first, context.store.workspace() as second:
        by_cargo = compile_crate(context, crate, profile, first, force=True)
        direct = compile_crate(context, crate, profile, second)
        assert (by_cargo.by_cargo, direct.by_cargo) == (True, False)
        assert direct.file.read_bytes() == by_cargo.file.read_bytes()
        assert direct.diagnostics == by_cargo.diagnostics
        assert direct.inputs == by_cargo.inputs


def test_plain_cargo_builds_the_crate_on_disk(kernel: Kernel, tmp_path: Path, environment: dict[str, str]) -> None:
    """The package that the store keeps is an ordinary one: copied away, `cargo build --release` builds it."""
    kernel.rust("#[pyfunction] fn on_disk(x: i64) -> i64 { x + 3 }", "-m on_disk_module")
    crate = Path(kernel.value("on_disk_module.__file__")).parent / "crate"
    copy = tmp_path / "crate"
    subprocess.run(["cp", "-r", str(crate), str(copy)], check=True)
    target = tmp_path / "target"
    command = ["cargo", "build", "--release", "--locked", "--target-dir", str(target)]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    (library,) = (target / "release").glob("lib*.so")
    library.rename(tmp_path / f"on_disk_module{sysconfig.get_config_var('EXT_SUFFIX')}")
    proof = "import on_disk_module; assert on_disk_module.on_disk(1) == 4"
    subprocess.run([sys.executable, "-c", proof], cwd=tmp_path, check=True, env={**environment, "PYTHONPATH": "."})


@pytest.mark.skipif(sys.platform != "linux", reason="looks into an ELF file")
@pytest.mark.parametrize("line", ["", "--debug", "--pyo3 0.25"])
def test_no_libpython_is_needed(kernel: Kernel, line: str) -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    kernel.rust("#[pyfunction] fn linked() -> i64 { 1 }", f"-m linked_module {line}")
    file = Path(kernel.value("linked_module.__file__"))
    with file.open("rb") as stream:
        dynamic = elffile.ELFFile(stream).get_section_by_name(".dynamic")
        needed = [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
    assert needed
    assert not [name for name in needed if "python" in name]


def test_optimised_by_default_debug_on_request(kernel: Kernel) -> None:
    """Pain 7: with rustimport, `--release` after a debug build of the same cell runs the debug build."""
    cell = "#[pyfunction] fn checked() -> bool { cfg!(debug_assertions) }"
    seen = []
    for line in ("", "--debug", "", "--debug", "--native"):
        kernel.rust(cell, line)
        seen.append(kernel.value("checked()"))
    assert seen == [False, True, False, True, False]


def test_pain_7_release_after_debug_is_release(kernel: Kernel) -> None:
    cell = "#[pyfunction] fn overflows(x: u8) -> u8 { x + 255 }"
    kernel.rust(cell, "--debug")
    assert kernel.run("overflows(1)", expect="error").ename == "PanicException"
    kernel.rust(cell)
    assert kernel.value("overflows(1)") == 0


def test_native_uses_this_processor(kernel: Kernel) -> None:
    asked = subprocess.run(
        ["rustc", "--print", "cfg", "-Ctarget-cpu=native"], capture_output=True, text=True, check=True
    )
    base = subprocess.run(["rustc", "--print", "cfg"], capture_output=True, text=True, check=True).stdout
    extra = sorted(line for line in asked.stdout.splitlines() if "target_feature" in line and line not in base)
    if not extra:
        pytest.skip("this processor has nothing that the target does not have anyway")
    cell = f"#[pyfunction] fn has_it() -> bool {{ cfg!({extra[0]}) }}"
    kernel.rust(cell)
    assert kernel.value("has_it()") is False
    kernel.rust(cell, "--native")
    assert kernel.value("has_it()") is True


def test_an_edit_does_not_build_pyo3_again(kernel: Kernel) -> None:
    """Pain 1: with rustimport each edit, and each type error, costs another build of pyo3."""
    kernel.rust("#[pyfunction] fn edited() -> i64 { 1 }")
    pyo3 = _files_of(kernel, "libpyo3-*.rlib")
    shown = kernel.rust("#[pyfunction] fn edited() -> i64 { 2 }", "-v")
    assert _files_of(kernel, "libpyo3-*.rlib") == pyo3
    assert (
        "pyo3" not in "".join(shown.seen).replace("pyo3magic", "").replace(str(kernel.folder), "").split("built in")[0]
    )
    wrong = kernel.rust("#[pyfunction] fn edited() -> i64 { true }", expect="error")
    assert "mismatched types" in wrong.text
    assert _files_of(kernel, "libpyo3-*.rlib") == pyo3
    assert kernel.value("edited()") == 2


test_pain_1_no_edit_rebuilds_pyo3 = test_an_edit_does_not_build_pyo3_again


def _files_of(kernel: Kernel, pattern: str) -> list[tuple[str, int]]:
    store = Path(kernel.value("__import__('os').environ['PYO3MAGIC_STORE']"))
    return sorted((str(path), path.stat().st_mtime_ns) for path in store.glob(f"targets/*/**/{pattern}"))


def test_force_goes_through_cargo_and_gives_the_same(kernel: Kernel) -> None:
    cell = "#[pyfunction] fn forced() -> i64 { 5 }"
    kernel.rust(cell)
    kernel.run("before = forced")
    shown = kernel.rust(cell, "--force -v")
    assert "built in" in shown.text
    assert kernel.value("forced() == before() == 5") is True


def test_another_python_of_the_same_abi(start: Start, tmp_path: Path) -> None:
    other = tmp_path / "other" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "other")], check=True)
    kernel = start()
    kernel.rust("#[pyfunction] fn for_other() -> i64 { 1 }", f"--python {other}")
    assert kernel.value("for_other()") == 1
    kernel = start(PYO3_PYTHON=str(other))
    kernel.rust("#[pyfunction] fn for_other() -> i64 { 2 }")
    assert kernel.value("for_other()") == 2


def test_a_python_of_another_abi_is_refused(kernel: Kernel) -> None:
    other = next(_other_pythons(), None)
    if other is None:
        pytest.skip("there is no other Python here")
    shown = kernel.rust("#[pyfunction] fn nowhere() {}", f"--python {other}", expect="error")
    assert shown.ename == "InterpreterError"
    assert "cannot be imported here" in shown.text


def test_a_python_that_is_none(kernel: Kernel) -> None:
    shown = kernel.rust("#[pyfunction] fn nowhere() {}", "--python /does/not/exist", expect="error")
    assert shown.ename == "InterpreterError"


def _other_pythons() -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in sorted(root.glob("3.*")) if root.is_dir() else ():
        if not name.name.startswith(f"3.{sys.version_info[1]}.") and int(name.name.split(".")[1]) > 9:
            yield str(name / "bin" / "python")
