"""What decides a cell's key, and what does not."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.context import Context, gather, interpreter_for
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.errors import InterpreterError
from pyo3magic.store import Store


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


@pytest.mark.parametrize(
    "change",
    [
        newer,
        other_python,
        lambda context: dataclasses.replace(context, environment_digest="another"),
        lambda context: dataclasses.replace(context, edition="2021"),
        lambda context: dataclasses.replace(context, pyo3="0.28"),
    ],
)
def test_what_changes_the_key(context: Context, change: Any) -> None:
    assert change(context).key(Options(), "fn f() {}") != context.key(Options(), "fn f() {}")


@pytest.mark.parametrize(
    "change",
    [
        {"directory": Path("/elsewhere")},
        {"environ": {"HOME": "/x"}},
        {"offline": True},
        {"nice": 10},
        {"report": print},
    ],
)
def test_what_does_not(context: Context, change: dict[str, Any]) -> None:
    assert dataclasses.replace(context, **change).key(Options(), "fn f() {}") == context.key(Options(), "fn f() {}")


def test_text_and_options_change_it(context: Context) -> None:
    keys = [
        context.key(options, body) for options in (Options(), Options(debug=True)) for body in ("a", "a ", "\udc80")
    ]
    assert len(set(keys)) == 6


def test_forgotten_versions_change_it(context: Context) -> None:
    before = context.key(Options(), "a")
    context.store.write_text(context.store.place("locks", "generation"), "2")
    assert context.key(Options(), "a") != before


def test_native_cells_belong_to_this_processor(context: Context) -> None:
    assert context.key(Options(native=True), "a") == context.key(Options(native=True), "a")


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
