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
from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.environment.context import Context, gather, interpreter_for
from pyo3magic.environment.cross_linkers import CrossTarget
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.errors import InterpreterError
from pyo3magic.store import Store

from .conftest import count_starts, make_program, posix, rustc_script

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
    "notes": lambda *_: ("a note",),
}
"""Another value for each field of a context."""
OUTSIDE_THE_KEY = {"directory", "offline", "report", "nice", "purpose", "notes"}


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
    keys = {before}
    for generation in ("2", "3"):
        context.store.write_text(context.store.place("locks", "generation"), generation)
        keys.add(context.key(Options(), "a"))
    assert len(keys) == 3


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


@pytest.fixture
def environ(tmp_path: Path, fake: Path) -> dict[str, str]:
    """An environment whose only toolchain is the one of shell scripts."""
    return {"PATH": os.pathsep.join([str(fake / "bin"), "/usr/bin", "/bin"]), "HOME": str(tmp_path / "home")}


@posix
def test_gathered_facts(tmp_path: Path, fake: Path, environ: dict[str, str]) -> None:
    store = Store(tmp_path / "store")
    asked = BuildOptions(offline=True, edition="2021", pyo3="0.28", report=print)
    found = gather(store, asked, directory=tmp_path, environ=environ)
    assert found.toolchain.rustc == fake / "bin" / "rustc"
    assert found.interpreter is Interpreter.current()
    assert found.environ == environ
    assert (found.edition, found.pyo3, found.offline, found.report) == ("2021", "0.28", True, print)
    assert (found.directory, found.nice, found.cross) == (tmp_path, 0, None)
    assert (found.standalone, found.shipped, found.triple) == (False, False, found.toolchain.host)
    assert gather(store, environ=environ).directory == Path.cwd()
    more = gather(store, environ=environ, nice=10, standalone=True, shipped=True)
    assert (more.nice, more.standalone, more.shipped) == (10, True, True)
    assert (more.offline, more.pyo3, more.edition) == (False, "", "2024")


@posix
def test_the_toolchain_is_asked_again_only_when_something_changed(
    tmp_path: Path, fake: Path, environ: dict[str, str]
) -> None:
    store = Store(tmp_path / "store")
    gather(store, directory=tmp_path, environ=environ)  # writes what it found out, which is looked at from then on
    first = gather(store, directory=tmp_path, environ=environ)
    asked = count_starts(tmp_path)
    assert gather(store, directory=tmp_path, environ=environ).toolchain is first.toolchain
    changed = gather(store, directory=tmp_path, environ={**environ, "RUSTFLAGS": "-Cdebuginfo=1"})
    assert changed.environment_digest != first.environment_digest
    assert changed.environ["RUSTFLAGS"] == "-Cdebuginfo=1"
    assert gather(store, directory=tmp_path, environ=environ).environment_digest == first.environment_digest
    assert count_starts(tmp_path) == asked
    assert any(store.place("toolchains").iterdir())
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("[build]\nrustflags = ['-Cdebuginfo=1']\n")
    assert gather(store, directory=tmp_path, environ=environ).environment_digest != first.environment_digest
    make_program(fake / "bin" / "rustc", rustc_script(fake, release="1.91.0"))
    assert gather(store, directory=tmp_path, environ=environ).toolchain.version == (1, 91, 0)


@posix
def test_the_process_environment_is_the_default(
    tmp_path: Path, fake: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    store = Store(tmp_path / "store")
    first = gather(store, directory=tmp_path)
    assert first.toolchain.rustc == fake / "bin" / "rustc"
    monkeypatch.setenv("RUSTFLAGS", "-Cdebuginfo=1")
    assert gather(store, directory=tmp_path).environ["RUSTFLAGS"] == "-Cdebuginfo=1"


@posix
@pytest.mark.parametrize("variable", ["PYO3_PYTHON", "PYTHON_SYS_EXECUTABLE", "--python"])
def test_another_python_is_named_by_option_or_variable(
    tmp_path: Path, fake: Path, environ: dict[str, str], variable: str
) -> None:
    del fake
    facts = {**Interpreter.current().facts(), "executable": "/opt/python"}
    other = make_program(tmp_path / "other", f"cat <<'EOF'\n{json.dumps(facts)}\nEOF")
    asked = BuildOptions(python=str(other)) if variable == "--python" else BuildOptions()
    found = gather(Store(tmp_path / "store"), asked, directory=tmp_path, environ={**environ, variable: str(other)})
    assert found.interpreter.executable == "/opt/python"
    assert any("old name for PYO3_PYTHON" in note for note in found.notes) is (variable == "PYTHON_SYS_EXECUTABLE")
    here = gather(Store(tmp_path / "store"), BuildOptions(python=str(other)), environ={**environ, variable: str(other)})
    assert here.notes == ()
    given = gather(Store(tmp_path / "store"), environ=environ, interpreter=found.interpreter)
    assert given.interpreter is found.interpreter


@posix
def test_a_target_brings_its_own_interpreter_and_linker(tmp_path: Path, fake: Path, environ: dict[str, str]) -> None:
    triple = "aarch64-unknown-linux-gnu"
    (fake / "lib" / "rustlib" / triple / "lib").mkdir(parents=True)
    (fake / "lib" / "rustlib" / triple / "lib" / "libcore-1.rlib").touch()
    make_program(fake / "bin" / "aarch64-linux-gnu-gcc", "")
    asked = BuildOptions(target=triple)
    variables = {**environ, "PYO3_CROSS_PYTHON_VERSION": "3.11"}
    found = gather(Store(tmp_path / "store"), asked, directory=tmp_path, environ=variables)
    assert found.cross is not None
    assert found.triple == found.cross.triple == triple
    assert found.interpreter.version == (3, 11)
    assert found.interpreter.machine == "aarch64"
    assert not found.cross.notes
    assumed = gather(Store(tmp_path / "store"), asked, directory=tmp_path, environ=environ)
    assert assumed.cross is not None
    assert "this kernel's version" in assumed.cross.notes[0]
    given = gather(Store(tmp_path / "store"), asked, environ=environ, interpreter=Interpreter.current())
    assert given.interpreter is Interpreter.current()
    assert given.cross is not None
    assert not given.cross.notes


def test_folders_and_locks_are_named_for_interpreter_toolchain_and_purpose(context: Context) -> None:
    name = f"{context.interpreter.digest[:16]}-{context.toolchain.digest[:16]}"
    assert context.target_name == name
    assert context.target_folder == context.store.folder / "targets" / name
    assert context.target_lock == context.store.folder / "locks" / f"target-{name}.lock"
    programs = dataclasses.replace(context, purpose="programs")
    assert programs.target_name == f"{name}-programs"
    assert programs.target_lock.name == f"target-{name}-programs.lock"


def test_the_processor_is_told_by_model_and_features(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor\t: 0\nmodel name\t: A\nflags\t\t: avx\n\nprocessor\t: 1\nmodel name\t: A\nflags\t\t: avx\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text + "Features\t: neon\nCPU part\t: 0xd08\nbugs\t: x\n")
    assert context_module._processor() == "CPU part\t: 0xd08\nFeatures\t: neon\nflags\t\t: avx\nmodel name\t: A"

    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert context_module._processor() == f"{platform.machine()} {platform.processor()}"
