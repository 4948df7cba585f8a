from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store.layers import own_folder, read_only_folders
from pyo3magic.store.trust import is_trusted

if TYPE_CHECKING:
    from collections.abc import Callable

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
SOURCE = "pub fn layered(x: i64) -> i64 { x + 1 }"
BUILD = """
import json, sys
from importlib import import_module
from pyo3magic.api import build
started, building = [], import_module("pyo3magic.compile.build_crate")
with_cargo = building._compile_with_cargo
building._compile_with_cargo = lambda *a: started.append(1) or with_cargo(*a)
built = build(sys.argv[1], module=sys.argv[2] or None)
print(json.dumps([str(built.path), len(started), built.load().layered(41)]))
"""


def named(*folders: Path) -> dict[str, str]:
    return {"PYO3MAGIC_STORE": os.pathsep.join(map(str, folders))}


def test_one_folder_is_the_users_own(tmp_path: Path) -> None:
    assert own_folder(named(tmp_path / "a")) == tmp_path / "a"
    assert read_only_folders(named(tmp_path / "a")) == ()
    assert own_folder({}).name == "pyo3magic"
    assert own_folder({"PYO3MAGIC_STORE": ""}) == own_folder({})


def test_names_of_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_folder({"PYO3MAGIC_STORE": "here"}) == tmp_path / "here"
    assert own_folder({"PYO3MAGIC_STORE": "~/x"}) == Path("~/x").expanduser()
    with pytest.raises(StoreError, match="'~nosuchuser/x', but no such home folder is known"):
        own_folder({"PYO3MAGIC_STORE": "~nosuchuser/x"})


def test_first_writable_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "image" and access(path, mode))
    environ = named(tmp_path / "image", tmp_path / "mine")
    assert own_folder(environ) == tmp_path / "mine"
    assert read_only_folders(environ) == (tmp_path / "image",)


@posix
@pytest.mark.parametrize(
    ("change", "trusted"),
    [
        (lambda _: None, True),
        (lambda folder: folder.chmod(0o555), True),
        (lambda folder: folder.chmod(0o757), False),
        (lambda folder: folder.parent.chmod(0o777), False),
        (lambda folder: folder.parent.chmod(0o1777), True),
        (lambda folder: folder.chmod(0o1777), False),
        (lambda folder: folder.rmdir(), False),
    ],
)
def test_only_what_nobody_else_can_change_is_a_layer(
    tmp_path: Path, change: Callable[[Path], object], trusted: bool
) -> None:
    layer = tmp_path / "shared" / "layer"
    layer.mkdir(parents=True, mode=0o755)
    (tmp_path / "shared").chmod(0o755)
    change(layer)
    assert is_trusted(layer) is trusted
    assert read_only_folders(named(tmp_path / "mine", layer)) == ((layer,) if trusted else ())


@posix
@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give files away")
def test_layer_of_another_user_is_not_used(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir(mode=0o755)
    os.chown(layer, 12345, 12345)
    assert read_only_folders(named(tmp_path / "mine", layer)) == ()


@posix
def test_what_root_owns_is_trusted_by_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert is_trusted(Path("/usr"))
    assert is_trusted(tmp_path) is (tmp_path.stat().st_uid == 0)


def test_where_files_have_no_owner_everything_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid", raising=False)
    assert is_trusted(tmp_path / "absent") is True
    assert own_folder(named(tmp_path / "new", tmp_path)) == tmp_path / "new"
    assert own_folder(named(tmp_path)) == tmp_path


@posix
def test_a_store_that_cannot_be_written_becomes_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, cache = tmp_path / "image", tmp_path / "cache"
    image.mkdir(mode=0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    access, refused = os.access, {image}
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in refused and access(path, mode))
    assert own_folder(named(image)) == cache / "pyo3magic"
    assert read_only_folders(named(image)) == (image,)
    refused.add(tmp_path)
    cache.mkdir()
    refused.add(cache)
    (tmp_path / "temporary").mkdir()
    assert own_folder(named(image)).parent == tmp_path / "temporary"
    assert own_folder({}).parent == tmp_path / "temporary"
    assert own_folder(named(tmp_path / "wrong")) == tmp_path / "wrong", "the folder's absence is told"
    image.chmod(0o777)
    assert own_folder(named(image)) == image, "the reason for the refusal is told"


@posix
def test_a_folder_of_another_user_is_not_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mine = tmp_path / "image", tmp_path / "mine"
    image.mkdir()
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert own_folder(named(image, mine)) == mine, "which does not exist yet, and can be made"
    monkeypatch.setattr(os, "getuid", lambda: uid)
    assert own_folder(named(image, mine)) == image


def built(environment: dict[str, str], source: str, *stores: Path, module: str = "") -> tuple[Path, int]:
    """Where a process of its own has the module from, and how often it started cargo to build."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, source, module],
        env={**environment, **named(*stores)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, started, value = json.loads(done.stdout)
    assert value == 42
    return Path(path), started


@posix
@pytest.mark.cargo
class TestStore:
    @pytest.mark.parametrize("module", ["", "layered_module"])
    def test_layer_is_used_and_not_changed(
        self, tmp_path: Path, environment: dict[str, str], store: Path, module: str
    ) -> None:
        path, _ = built(environment, SOURCE, store, module=module)
        record = path.with_name("record.json")
        used = record.stat().st_mtime_ns
        assert built(environment, SOURCE, tmp_path / "mine", store, module=module) == (path, 0)
        assert record.stat().st_mtime_ns == used
        assert not list((tmp_path / "mine" / "artifacts").iterdir())

    def test_edited_cell_needs_no_cargo_in_a_new_store(
        self, tmp_path: Path, environment: dict[str, str], store: Path
    ) -> None:
        edited = f"// {tmp_path}\n{SOURCE}"
        path, started = built(environment, edited, tmp_path / "mine", store)
        assert path.is_relative_to(tmp_path / "mine")
        assert started == 0

    def test_damaged_layer_is_passed_over(self, tmp_path: Path, environment: dict[str, str]) -> None:
        first = tmp_path / "first"
        path, _ = built(environment, SOURCE, first)
        path.chmod(0o700)
        path.write_bytes(path.read_bytes() + b"x")
        mine, _ = built(environment, SOURCE, tmp_path / "mine", first)
        assert mine.is_relative_to(tmp_path / "mine")
        assert path.exists()
