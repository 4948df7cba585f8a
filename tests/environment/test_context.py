"""What decides a cell's key, and what does not."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment import context as context_module
from pyo3magic.environment.context import Context, gather, interpreter_for
from pyo3magic.environment.cross_linkers import CrossTarget
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.errors import InterpreterError
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def context(tmp_path: Path) -> Context:
    toolchain = Toolchain(
        cargo=Path("/opt/bin/cargo"),
        rustc=Path("/opt/bin/rustc"),
        sysroot=Path("/opt"),
        host="x86_64-unknown-linux-gnu",
        version=(1, 95, 0),
        version_text="rustc 1.95.0",
        commit_hash="abc",
        cargo_version="cargo 1.95.0",
        channel="stable",
    )
    return Context(Store(tmp_path / "store"), Interpreter.current(), toolchain, {}, "environment", tmp_path)


def newer(context: Context) -> Context:
    return dataclasses.replace(context, toolchain=dataclasses.replace(context.toolchain, version_text="rustc 1.96.0"))


def other_python(context: Context) -> Context:
    minor = context.interpreter.version[1] + 1
    return dataclasses.replace(context, interpreter=dataclasses.replace(context.interpreter, version=(3, minor)))


CHANGES: dict[str, Callable[[Context, Path], Any]] = {
    "store": lambda _context, folder: forgetful(Store(folder / "other")),
    "interpreter": lambda context, _: dataclasses.replace(context.interpreter, version=(3, 99)),
    "toolchain": lambda context, _: dataclasses.replace(context.toolchain, version_text="rustc 1.96.0"),
    "environ": lambda *_: {"PYO3MAGIC_LINKING": "static"},
    "environment_digest": lambda *_: "other",
    "directory": lambda *_: Path("/elsewhere"),
    "edition": lambda *_: "2021",
    "pyo3": lambda *_: "0.28",
    "offline": lambda *_: True,
    "report": lambda *_: print,
    "nice": lambda *_: 10,
    "purpose": lambda *_: "programs",
    "cross": lambda *_: CrossTarget("aarch64-unknown-linux-gnu"),
    "standalone": lambda *_: True,
    "shipped": lambda *_: True,
}
"""Another value for each field of a context."""
OUTSIDE_THE_KEY = {"directory", "offline", "report", "nice", "purpose"}


def forgetful(store: Store) -> Store:
    """A store whose versions of dependencies are chosen anew."""
    store.write_text(store.place("locks", "generation"), "2")
    return store


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Context)])
def test_each_field_is_part_of_the_key_or_said_not_to_be(context: Context, name: str, tmp_path: Path) -> None:
    changed = dataclasses.replace(context, **{name: CHANGES[name](context, tmp_path)})
    same = changed.key(Options(), "fn f() {}") == context.key(Options(), "fn f() {}")
    assert same is (name in OUTSIDE_THE_KEY)


def test_variables_that_no_build_reads_are_not_in_the_key(context: Context) -> None:
    changed = dataclasses.replace(context, environ={"HOME": "/x"})
    assert changed.key(Options(), "fn f() {}") == context.key(Options(), "fn f() {}")


@pytest.mark.parametrize(
    "cross",
    [
        CrossTarget("armv7-unknown-linux-gnueabihf"),
        CrossTarget("aarch64-unknown-linux-gnu", "/opt/cc"),
        CrossTarget("aarch64-unknown-linux-gnu", variables={"CC": "/opt/cc"}),
    ],
)
def test_the_targets_own_facts_are_part_of_the_key(context: Context, cross: CrossTarget) -> None:
    first = dataclasses.replace(context, cross=CrossTarget("aarch64-unknown-linux-gnu"))
    assert dataclasses.replace(context, cross=cross).key(Options(), "a") != first.key(Options(), "a")


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Options)])
def test_each_option_is_part_of_the_key(context: Context, name: str) -> None:
    others: dict[type, Any] = {bool: True, tuple: ("x",)}
    changed = dataclasses.replace(Options(), **{name: others.get(type(getattr(Options(), name)), "x")})
    assert context.key(changed, "a") != context.key(Options(), "a")


def test_text_and_options_change_it(context: Context) -> None:
    keys = [
        context.key(options, body) for options in (Options(), Options(debug=True)) for body in ("a", "a ", "\udc80")
    ]
    assert len(set(keys)) == 6


def test_forgotten_versions_change_it(context: Context) -> None:
    before = context.key(Options(), "a")
    context.store.write_text(context.store.place("locks", "generation"), "2")
    assert context.key(Options(), "a") != before


def test_native_cells_belong_to_this_processor(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    before = context.key(Options(native=True), "a"), context.key(Options(), "a")
    monkeypatch.setattr(context_module, "_processor", lambda: "another one")
    after = context.key(Options(native=True), "a"), context.key(Options(), "a")
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_processor_is_what_linux_says_of_it() -> None:
    assert context_module._processor() == context_module._processor()
    assert platform.machine() != "x86_64" or "flags" in context_module._processor()


def test_one_target_folder_for_interpreter_and_toolchain(context: Context) -> None:
    names = {item.target_name for item in (context, newer(context), other_python(context))}
    assert len(names) == 3
    assert dataclasses.replace(context, edition="2021").target_folder == context.target_folder


def test_another_python_must_have_the_same_abi(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert interpreter_for("", store) is Interpreter.current()
    assert interpreter_for(Interpreter.current().executable, store) is Interpreter.current()
    with pytest.raises(InterpreterError, match="does not exist"):
        interpreter_for(str(tmp_path / "python"), store)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the other Python")
def test_a_python_of_another_abi_is_refused(tmp_path: Path) -> None:
    facts = {**Interpreter.current().facts(), "pointer_width": 32}
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(facts)}\nEOF\n")
    fake.chmod(0o700)
    with pytest.raises(InterpreterError, match=r"32-bit.*cannot be imported here") as caught:
        interpreter_for(str(fake), Store(tmp_path / "store"))
    assert "--python" in caught.value.advice


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the other Python")
def test_another_python_is_asked_once(tmp_path: Path) -> None:
    store, fake = Store(tmp_path / "store"), tmp_path / "python"

    def says(full_version: str) -> None:
        facts = {**Interpreter.current().facts(), "full_version": full_version}
        fake.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/log\ncat <<'EOF'\n{json.dumps(facts)}\nEOF\n")
        fake.chmod(0o700)

    number = "{}.{}".format(*Interpreter.current().version)
    says(f"{number}.1")
    found = [interpreter_for(str(fake), store) for _ in range(3)]
    assert {item.full_version for item in found} == {f"{number}.1"}
    assert (tmp_path / "log").read_text() == "asked\n"
    says(f"{number}.20")
    assert interpreter_for(str(fake), store).full_version == f"{number}.20"
    for kept in store.place("interpreters").glob("*.json"):
        kept.write_text("{}")
    assert interpreter_for(str(fake), store).full_version == f"{number}.20"
    assert (tmp_path / "log").read_text() == "asked\n" * 3


@pytest.mark.cargo
def test_gathering_again_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYO3")}
    first = gather(store, environ=environ)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.Popen", refuse)
    again = gather(store, environ=environ)
    assert again.key(Options(), "a") == first.key(Options(), "a")
    flagged = gather(store, environ={**environ, "RUSTFLAGS": "-Cdebuginfo=1"})
    assert flagged.key(Options(), "a") != first.key(Options(), "a")


@pytest.mark.cargo
def test_what_has_changed_is_seen(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYO3")}

    def found(**more: str) -> str:
        return gather(store, directory=tmp_path, environ={**environ, **more}).environment_digest

    first = found()
    assert found() == first
    assert found(RUSTFLAGS="-g") != first
    assert found() == first
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("[build]\n")
    second = found()
    assert second != first
    (tmp_path / ".cargo" / "config.toml").write_text("[build]\njobs = 1\n")
    assert found() not in {first, second}
    (tmp_path / ".cargo" / "config.toml").unlink()
    assert found() == first
