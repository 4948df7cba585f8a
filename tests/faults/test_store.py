"""A store that is removed, damaged or left behind."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stores import copy_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Start

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

F, G = "pub fn f() -> u64 { 1 }", "pub fn g() -> u64 { 2 }"


@pytest.mark.slow
def test_a_store_that_is_removed_under_a_living_kernel(own_store: Path, start: Start) -> None:
    variables = {"PYO3MAGIC_STORE": str(own_store)}
    kernel = start(**variables)
    kernel.rust(F, "-m named")
    shutil.rmtree(own_store)
    kernel.rust(G)
    assert kernel.value("f() + g()") == 3
    later = start(**variables)
    later.rust(G)
    assert later.value("g()") == 2
    kernel.rust(F, "-m named")
    assert kernel.value("f()") == 1
    kernel.rust("use named::f; pub fn h() -> u64 { f() + 3 }")
    assert kernel.value("h()") == 4


def test_half_a_store_heals(own_store: Path, start: Start) -> None:
    for name in ("artifacts", "format", "locks", "plans", "tmp", "toolchains"):
        path = own_store / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    kernel = start(PYO3MAGIC_STORE=str(own_store))
    kernel.rust(F)
    assert kernel.value("f()") == 1


def damaged_files(store: Path, *patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(store.glob(pattern)) if path.is_file()]
    assert found, patterns
    return found


def cut(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def garble(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"\0garbage\n" * 9)


def empty(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"")


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CRATE = ("targets/*/release/deps/libpyo3-*.rlib",)
MACROS = ("targets/*/release/deps/libpyo3_macros-*.so",)
SCRIPT = ("targets/*/release/build/pyo3-ffi-*/build-script-build", "targets/*/release/.fingerprint/pyo3-ffi-*/*")
PLAN = ("plans/*/invocation.json", "plans/*/crate/Cargo.toml", "plans/*/crate/src/lib.rs")
LOCK, SUPPORT, FACTS = ("locks/*.lock.toml",), ("support/*/src/lib.rs",), ("interpreters/*", "toolchains/*")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patterns", "damage", "module"),
    [
        # Each of the first ones compiles pyo3 again.
        (CRATE, cut, ""),
        (CRATE, replace_by_a_folder, "named"),
        (MACROS, garble, "named"),
        (MACROS, empty, ""),
        (SCRIPT, cut, ""),
        (SCRIPT, replace_by_a_folder, ""),
        (SUPPORT, garble, ""),
        *((PLAN, damage, "") for damage in (cut, garble, empty, Path.unlink, replace_by_a_folder)),
        *((LOCK, damage, "") for damage in (cut, garble, empty, Path.unlink, replace_by_a_folder)),
        *((FACTS, damage, "named") for damage in (cut, garble, Path.unlink, replace_by_a_folder)),
    ],
)
def test_damage_is_built_again(
    patterns: tuple[str, ...],
    damage: Callable[[Path], object],
    module: str,
    own_store: Path,
    build: Callable[..., str],
) -> None:
    for path in damaged_files(own_store, *patterns):
        damage(path)
    number = time.time_ns()
    assert build(number, module, PYO3MAGIC_STORE=str(own_store)) == f"built {number}"
    assert build(number + 1, module, PYO3MAGIC_STORE=str(own_store)) == f"built {number + 1}"


@pytest.mark.parametrize("damage", [garble, Path.unlink], ids=lambda f: f.__name__)
def test_a_damaged_package_is_told_and_made_again(
    damage: Callable[[Path], object], own_store: Path, start: Start
) -> None:
    kernel = start(PYO3MAGIC_STORE=str(own_store))
    kernel.rust(F, "-m used_module")
    kernel.rust(G, "-m other_module")
    for record in damaged_files(own_store, "artifacts/*/*/record.json"):
        if '"module": "used_module"' in record.read_text(encoding="utf-8"):
            damage(record.parent / "crate" / "Cargo.lock")
    user = "pub fn user() -> u64 { used_module::f() + 1 }"
    said = kernel.run("%pyo3_wheel used_module", expect="error").text
    assert "'used_module', or a library that it is linked with, is damaged" in said
    kernel.run("%pyo3_wheel other_module -o out")
    kernel.rust(user)
    assert kernel.value("user()") == 2
    kernel.run("%pyo3_wheel used_module -o out")


def test_links_copied_from_another_store(small_store: Path, tmp_path: Path, build: Callable[..., str]) -> None:
    first = copy_store(small_store, tmp_path / "first")
    assert build(1, "named", PYO3MAGIC_STORE=str(first)) == "built 1"
    second = copy_store(first, tmp_path / "second")
    shutil.rmtree(first)
    assert build(1, "named", PYO3MAGIC_STORE=str(second)) == "built 1"
    assert build(2, "named", PYO3MAGIC_STORE=str(second)) == "built 2"


def test_leftovers_of_killed_kernels_are_swept(own_store: Path, start: Start) -> None:
    variables = {"PYO3MAGIC_STORE": str(own_store)}
    kernel = start(**variables)
    kernel.rust(F)
    identity = kernel.submit("%%rust --force\npub fn slow() {}\n")
    kernel.while_running(identity, lambda: any((own_store / "tmp").iterdir()))
    kernel.kill()
    (session,) = (own_store / "sessions").iterdir()
    old = time.time() - 60
    os.utime(session / "alive", (old, old))
    later = start(**variables)
    later.run("1")
    assert not session.exists()
    assert list((own_store / "tmp").iterdir()) == []
    later.rust(G)
    assert later.value("g()") == 2
