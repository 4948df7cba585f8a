"""Wheels for other machines, installed with the pip of a Python of that machine and used there, under qemu.

``.ci/cross FOLDER`` sets up what these need, and ``. FOLDER/env.sh`` names it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.context import gather
from pyo3magic.export.select_cells import prepare_export
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.export.wheel import Wheel, make_wheel
from pyo3magic.session import Session

from .conftest import METADATA
from .test_wheel import USE_GEOMETRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyo3magic.environment.context import Context

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("PYO3MAGIC_CROSS") and os.environ.get("CI") != "true",
        reason="PYO3MAGIC_CROSS is not set: run .ci/cross, then source the env.sh it writes",
    ),
]


@dataclass(frozen=True)
class Machine:
    name: str
    triple: str
    python: str
    linker: str


@pytest.fixture(scope="module", params=["aarch64", "armv7"])
def machine(request: pytest.FixtureRequest) -> Machine:
    assert os.environ.get("PYO3MAGIC_CROSS"), "CI must run .ci/cross and source the env.sh it writes"
    suffix = request.param.upper()
    name, system = {"aarch64": ("aarch64", "gnu"), "armv7": ("armv7l", "gnueabihf")}[request.param]
    python, linker = (os.environ[f"PYO3MAGIC_CROSS_{what}_{suffix}"] for what in ("PYTHON", "LINKER"))
    return Machine(name, f"{request.param}-unknown-linux-{system}", python, linker)


@pytest.fixture(scope="module")
def cross_environ(machine: Machine) -> dict[str, str]:
    variable = f"CARGO_TARGET_{machine.triple.upper().replace('-', '_')}_LINKER"
    known = {"RUSTC": os.environ["PYO3MAGIC_CROSS_RUSTC"], "PYO3_CROSS_PYTHON_VERSION": "3.11"}
    return {**os.environ, **known, variable: machine.linker}


@pytest.fixture(scope="module")
def export_for(context: Context, cells: dict[str, BuiltCell], cross_environ: dict[str, str]) -> Callable[..., Wheel]:
    """Makes a wheel of the geometry cell for the machine."""

    def make(machine: Machine, folder: Path, *, abi3: Any = None, **options: Any) -> Wheel:
        there = gather(context.store, environ=cross_environ)
        package = assemble_package(there, (cells["geometry"],), options=METADATA, available={}, abi3=abi3)
        return make_wheel(there, package, folder, target=machine.triple, **options)

    return make


def used_there(machine: Machine, wheel: Wheel, folder: Path) -> None:
    """Installs the wheel with the machine's own pip, and imports and calls it there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder]
    for arguments, more in (
        ([*install, wheel.path], {}),
        (["-c", USE_GEOMETRY], {"PYTHONPATH": str(folder)}),
    ):
        command = [machine.python, *map(str, arguments)]
        done = subprocess.run(
            command, env={**kept, **more}, cwd=folder.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert str(folder) in done.stdout


def audited(wheel: Wheel, say: Callable[..., str]) -> str:
    return str(json.loads(say(sys.executable, "-m", "auditwheel", "show", "--json", wheel.path))["overall_tag"])


def test_a_wheel_for_another_machine_is_used_there(
    machine: Machine, export_for: Callable[..., Wheel], tmp_path: Path, say: Callable[..., str]
) -> None:
    wheel = export_for(machine, tmp_path)
    assert re.fullmatch(rf"cp311-cp311-manylinux_2_\d+_{machine.name}(\.\w+)?", str(wheel.tag))
    assert wheel.tag.platform.split(".")[0] == audited(wheel, say)
    say(sys.executable, "-m", "twine", "check", "--strict", wheel.path)
    used_there(machine, wheel, tmp_path / "site")


def test_manylinux2014_for_another_machine_is_true_and_used_there(
    machine: Machine, export_for: Callable[..., Wheel], tmp_path: Path, say: Callable[..., str]
) -> None:
    wheel = export_for(machine, tmp_path, platform="manylinux2014")
    assert wheel.tag.platform == f"manylinux_2_17_{machine.name}.manylinux2014_{machine.name}"
    assert audited(wheel, say) == f"manylinux_2_17_{machine.name}"
    used_there(machine, wheel, tmp_path / "site")


@pytest.mark.parametrize("machine", ["armv7"], indirect=True)
def test_the_stable_abi_of_another_machine(machine: Machine, export_for: Callable[..., Wheel], tmp_path: Path) -> None:
    wheel = export_for(machine, tmp_path, abi3=(3, 10), platform="linux")
    assert str(wheel.tag) == f"cp310-abi3-linux_{machine.name}"
    used_there(machine, wheel, tmp_path / "site")


@pytest.mark.parametrize("machine", ["aarch64"], indirect=True)
def test_the_python_of_the_target_decides_tag_and_requirement(
    machine: Machine,
    context: Context,
    cross_environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pyo3magic.cell import Options
    from pyo3magic.environment.build_options import BuildOptions

    session = Session(context.store)
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    for name, value in cross_environ.items():
        monkeypatch.setenv(name, value)
    there = BuildOptions(target=machine.triple)
    source = "pub fn double(x: f64) -> f64 { 2.0 * x }\n"
    session.build(Options(module="plainly"), source, there)
    monkeypatch.setenv("PYO3_CROSS_PYTHON_VERSION", "3.10")
    context, package = prepare_export(session, (), options=dataclasses.replace(METADATA), defaults={}, build=there)
    assert package.metadata.requires_python == ">=3.10"
    wheel = make_wheel(context, package, tmp_path, target=machine.triple, platform="linux")
    assert str(wheel.tag) == f"cp310-cp310-linux_{machine.name}"
