from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.toolchain_cache import key
from pyo3magic.environment.toolchain_search import find_toolchain
from pyo3magic.store.records import pack_record, unpack_record

from .conftest import HOST, Find, count_starts, make_program, posix, rustc_script, rustup

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.cargo
def test_second_time_starts_no_process_in_a_new_python_either(tmp_path: Path) -> None:
    first = find_toolchain(directory=tmp_path, environ=os.environ, cache=tmp_path / "cache")
    code = (
        "import os, subprocess, sys, time; from pathlib import Path\n"
        "from pyo3magic.environment.toolchain_search import find_toolchain\n"
        "def fail(*a, **k): raise AssertionError('a process was started')\n"
        "subprocess.Popen = os.posix_spawn = fail\n"
        "times = []\n"
        "for _ in range(20):\n"
        "    start = time.perf_counter()\n"
        "    found = find_toolchain(directory=Path(sys.argv[1]), environ=os.environ, cache=Path(sys.argv[1], 'cache'))\n"
        "    times.append(time.perf_counter() - start)\n"
        "print(found.digest, min(times))"
    )
    root = Path(__file__).parents[2]
    digest, best = subprocess.check_output([sys.executable, "-c", code, tmp_path], cwd=root, text=True).split()
    assert digest == first.digest
    assert float(best) < 0.002  # about 0.2 ms; the rest is for a busy machine


@rustup
@pytest.mark.cargo
def test_rustup_choices_have_effect(tmp_path: Path) -> None:
    listed = subprocess.check_output(["rustup", "toolchain", "list"], text=True).split()
    names = [name for name in listed if name.startswith(("stable", "nightly", "1."))]
    for name in names:
        environ = {**os.environ, "RUSTUP_TOOLCHAIN": name}
        by_variable = find_toolchain(directory=tmp_path, environ=environ, cache=tmp_path / "cache")
        folder = tmp_path / name / "below"
        folder.mkdir(parents=True)
        (tmp_path / name / "rust-toolchain.toml").write_text(f'[toolchain]\nchannel = "{name}"\n')
        by_file = find_toolchain(directory=folder, environ=os.environ, cache=tmp_path / "cache")
        assert by_variable == by_file
        assert by_file.rustc.is_relative_to(by_file.sysroot)
        assert (by_file.channel == "nightly") == name.startswith("nightly")


@posix
def test_answer_is_kept(tmp_path: Path, find: Find) -> None:
    first = find()
    assert count_starts(tmp_path) == 3
    assert (find(), count_starts(tmp_path)) == (first, 3)
    assert (first.version, first.host, first.channel, first.commit_hash) == ((1, 90, 0), HOST, "stable", "0123456")
    (entry,) = (tmp_path / "cache").iterdir()
    assert (entry.parent.stat().st_mode & 0o077, entry.stat().st_mode & 0o077) == (0, 0)


@posix
def test_nothing_is_kept_without_a_cache_or_where_none_can_be_written(tmp_path: Path, find: Find) -> None:
    first = find(cache=None)
    (tmp_path / "file").write_text("")
    assert find(cache=tmp_path / "file") == first
    assert find(cache=tmp_path / "file" / "below") == first
    assert count_starts(tmp_path) == 9


def _update(find: Find, fake: Path, tmp_path: Path) -> None:
    make_program(fake / "bin" / "rustc", rustc_script(fake, "1.91.0-nightly"))
    assert (find().version, find().channel) == ((1, 91, 0), "nightly")


def _update_cargo(find: Find, fake: Path, tmp_path: Path) -> None:
    make_program(fake / "bin" / "cargo", "echo 'cargo 1.99.0'")
    assert find().cargo_version == "cargo 1.99.0"


def _manifest(find: Find, fake: Path, tmp_path: Path) -> None:
    (fake / "lib" / "rustlib").mkdir()
    (fake / "lib" / "rustlib" / "multirust-channel-manifest.toml").write_text("date")


def _file(find: Find, fake: Path, tmp_path: Path) -> None:
    (tmp_path / "rust-toolchain").write_text("stable")


def _settings(find: Find, fake: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / ".rustup").mkdir(parents=True)
    (tmp_path / "home" / ".rustup" / "settings.toml").write_text('default_toolchain = "nightly"')


def _linked(find: Find, fake: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / ".rustup" / "toolchains").mkdir(parents=True)


@posix
@pytest.mark.parametrize("change", [_update, _update_cargo, _manifest, _file, _settings, _linked])
def test_change_is_noticed(tmp_path: Path, find: Find, fake: Path, change: Callable[..., None]) -> None:
    find()
    before = count_starts(tmp_path)
    change(find, fake, tmp_path)
    find()
    if change not in {_update, _update_cargo}:
        assert count_starts(tmp_path) == before + 3


@posix
@pytest.mark.parametrize("name", ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_DIST_SERVER"])
def test_variable_is_part_of_the_key(tmp_path: Path, find: Find, name: str) -> None:
    find()
    find(**{name: str(tmp_path / "other")})
    assert count_starts(tmp_path) == 6
    find(IRRELEVANT="1")
    assert count_starts(tmp_path) == 6


@posix
@pytest.mark.parametrize(("overrides", "starts"), [("", 3), ('"/some/where" = "nightly"', 6)])
def test_directory_matters_when_there_are_overrides(tmp_path: Path, find: Find, overrides: str, starts: int) -> None:
    (tmp_path / "home" / ".rustup").mkdir(parents=True)
    (tmp_path / "home" / ".rustup" / "settings.toml").write_text(f'version = "12"\n\n[overrides]\n{overrides}\n')
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        find(directory=tmp_path / name)
    assert count_starts(tmp_path) == starts


@posix
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"toolchain": {}}', '{"toolchain": 1, "witnesses": {}}', "\x00", "[" * 100_000],
)
def test_damaged_entry_is_ignored_and_rewritten(tmp_path: Path, find: Find, content: str) -> None:
    first = find()
    (entry,) = (tmp_path / "cache").iterdir()
    good = entry.read_text()
    entry.write_text(content)
    assert find() == first
    assert entry.read_text() == good
    assert count_starts(tmp_path) == 6


@posix
@pytest.mark.parametrize("field", ["cargo", "rustc", "version", "host", "variables", "digest"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_edited_entry_is_ignored(tmp_path: Path, find: Find, field: str, is_packed: bool) -> None:
    first = find()
    (entry,) = (tmp_path / "cache").iterdir()
    record: Any = unpack_record(entry.read_bytes())
    record["toolchain"][field] = 7
    if is_packed and field != "host":  # as another version might have written it
        entry.write_bytes(pack_record(record))
    else:
        entry.write_text(json.dumps(record))
    assert find() == first


@posix
def test_entry_without_a_compiler_is_ignored(tmp_path: Path, find: Find, fake: Path) -> None:
    first = find()
    (entry,) = (tmp_path / "cache").iterdir()
    record: Any = unpack_record(entry.read_bytes())
    record["witnesses"][str(fake / "bin" / "rustc")] = None
    entry.write_bytes(pack_record(record))
    assert find() == first
    assert count_starts(tmp_path) == 6


@posix
def test_a_hit_is_quick(find: Find) -> None:
    find()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        find()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002  # about 0.2 ms; the rest is for a busy machine


def test_what_decides_the_key(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home")}
    files = (tmp_path / "cargo", tmp_path / "rustc")
    first = key(*files, tmp_path, environ)
    assert len(first) == 40
    assert key(*files, tmp_path, {**environ, "LANG": "de"}) == first
    keys = {first}
    for name in ("RUSTC", "CARGO", "CARGO_HOME", "RUSTUP_TOOLCHAIN"):
        keys.add(key(*files, tmp_path, {**environ, name: "x"}))
    keys |= {key(files[1], files[0], tmp_path, environ), key(files[0], files[0], tmp_path, environ)}
    assert len(keys) == 7
    files[1].touch()
    keys.add(key(*files, tmp_path, environ))
    (tmp_path / "rust-toolchain.toml").write_bytes(b"\xff")
    keys.add(key(*files, tmp_path, environ))
    assert len(keys) == 9


def test_rustup_home_is_named_or_in_the_home_folder(tmp_path: Path) -> None:
    keys = []
    for folder, variables in ((tmp_path / "home" / ".rustup", {}), (tmp_path / "r", {"RUSTUP_HOME": "r"})):
        environ = {"HOME": str(tmp_path / "home"), **variables}
        before = key(tmp_path / "cargo", tmp_path / "rustc", tmp_path, environ)
        (folder / "toolchains").mkdir(parents=True)
        keys += [before, key(tmp_path / "cargo", tmp_path / "rustc", tmp_path, environ)]
        (folder / "settings.toml").write_text('default_toolchain = "nightly"')
        keys.append(key(tmp_path / "cargo", tmp_path / "rustc", tmp_path, environ))
    assert len(set(keys)) == 6


@posix
def test_an_updated_cargo_behind_a_proxy_is_noticed(tmp_path: Path, find: Find, fake: Path) -> None:
    proxy = make_program(tmp_path / "proxies" / "cargo", (fake / "bin" / "cargo").read_text())
    cache = tmp_path / "deep" / "cache"
    find(CARGO=str(proxy), RUSTC=str(fake / "bin" / "rustc"), cache=cache)
    asked = count_starts(tmp_path)
    find(CARGO=str(proxy), RUSTC=str(fake / "bin" / "rustc"), cache=cache)
    assert count_starts(tmp_path) == asked
    make_program(fake / "bin" / "cargo", "echo 'cargo 1.99.0'")
    find(CARGO=str(proxy), RUSTC=str(fake / "bin" / "rustc"), cache=cache)
    assert count_starts(tmp_path) == asked + 3
