"""The agent by itself: what it takes, refuses and leaves behind."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.environment.interpreter_probe import probe_source
from pyo3magic.remote import agent as agent_module
from pyo3magic.remote.agent import Agent, Refusal, sweep

SOURCE = Path(agent_module.__file__).read_text()
DATA = b"0123456789"
DIGEST = hashlib.sha256(DATA).hexdigest()
FAR = time.monotonic() + 1e6
posix = pytest.mark.skipif(os.name == "nt", reason="locks with fcntl")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = Agent()
    yield made
    made.remove_folder()
    if made.lock is not None:
        made.lock.close()


def chunk(agent: Agent, data: bytes, index: int = 0, sha256: str = "") -> dict[str, object]:
    return agent.on_chunk("t", index, sha256 or hashlib.sha256(data).hexdigest(), base64.b64encode(data).decode())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def test_needs_the_standard_library_of_python_3_8_only() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_a_file_in_two_chunks_is_kept_by_digest(agent: Agent, tmp_path: Path) -> None:
    assert agent.on_missing({DIGEST: 10}) == {"missing": [DIGEST]}
    agent.on_begin("t", DIGEST, 10, FAR)
    assert chunk(agent, DATA[:6]) == {"received": 6}
    assert chunk(agent, DATA[6:], 1) == {"received": 10}
    agent.on_end("t")
    assert agent.on_missing({DIGEST: 10, "f" * 64: 1}) == {"missing": ["f" * 64]}
    assert files(tmp_path) == [DIGEST]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/" + DIGEST)} == {0o600}
    agent.remove_folder()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "data", "index", "sha256"),
    [
        ("damaged", DATA, 1, ""),
        ("damaged", DATA, 0, "0" * 64),
        ("damaged", DATA + b"x", 0, ""),
        ("damaged", DATA[::-1], 0, ""),
        ("damaged", DATA[:4], 0, ""),
    ],
)
def test_wrong_chunks_leave_nothing(
    agent: Agent, tmp_path: Path, kind: str, data: bytes, index: int, sha256: str
) -> None:
    agent.on_begin("t", DIGEST, 10, FAR)
    with pytest.raises(Refusal) as caught:
        chunk(agent, data, index, sha256)
        agent.on_end("t")
    assert caught.value.kind == kind
    assert files(tmp_path) == []
    with pytest.raises(Refusal, match="unknown"):
        agent.on_received("t")


def test_chunks_after_the_deadline_are_refused_and_old_transfers_go(agent: Agent, tmp_path: Path) -> None:
    agent.on_begin("old", DIGEST, 10, time.monotonic() - 1)
    assert len(files(tmp_path)) == 1
    agent.on_begin("t", DIGEST, 10, time.monotonic() - 1)
    assert len(files(tmp_path)) == 1
    with pytest.raises(Refusal) as caught:
        chunk(agent, DATA)
    assert caught.value.kind == "late"
    assert files(tmp_path) == []


@pytest.mark.parametrize("digest", ["../" + "0" * 61, "", "A" * 64, "0" * 64 + "\n"])
def test_malformed_digests_are_refused(agent: Agent, digest: str) -> None:
    with pytest.raises(Refusal, match="malformed"):
        agent.on_begin("t", digest, 10, FAR)


def test_abandoned_transfers_leave_nothing(agent: Agent, tmp_path: Path) -> None:
    agent.on_begin("t", DIGEST, 10, FAR)
    agent.on_abandon("t")
    agent.on_abandon("t")
    assert files(tmp_path) == []


def test_no_room(agent: Agent) -> None:
    with pytest.raises(Refusal, match="bytes are needed") as caught:
        agent.on_missing({DIGEST: 1 << 60})
    assert caught.value.kind == "storage"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "../x"}, "is not a name"),
        ({"alias": "a.b"}, "is not a name"),
        ({"names": ["a b"]}, "is not a name"),
        ({"cells": [["m", DIGEST, "a.b"]]}, "is not a name"),
        ({"cells": [["../m", DIGEST, ""]]}, "is not a name"),
        ({"beside": [["../x", DIGEST]]}, "not a plain file name"),
        ({"beside": [[".hidden", DIGEST]]}, "not a plain file name"),
        ({}, "ImportError"),
    ],
)
def test_loads_that_fail_bind_nothing(agent: Agent, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    agent.on_begin("t", DIGEST, 10, FAR)
    chunk(agent, DATA)
    agent.on_end("t")
    wanted = {"module": "m", "file": DIGEST, "beside": [], "names": ["f"], "alias": "a", **changes}
    before = set(sys.modules)
    with pytest.raises(Refusal, match=message) as caught:
        agent.on_load(**wanted)
    assert caught.value.kind == "import"
    assert set(sys.modules) == before
    assert files(tmp_path) == [DIGEST]


def test_another_build_of_a_library_in_use_is_refused(agent: Agent, tmp_path: Path) -> None:
    """The loader would take the one that it has for the new one, since they have one name."""
    agent.on_begin("t", DIGEST, 10, FAR)
    chunk(agent, DATA)
    agent.on_end("t")
    agent.libraries["liba.so"] = "f" * 64
    with pytest.raises(Refusal, match=r"another build of liba\.so is in use; restart the kernel"):
        agent.on_load("m", DIGEST, [["liba.so", DIGEST]], ["f"], "")
    assert files(tmp_path) == [DIGEST]


def test_load_says_what_is_missing(agent: Agent) -> None:
    wanted: dict[str, Any] = {"module": "m", "file": DIGEST, "beside": [["x", "f" * 64]], "names": [], "alias": ""}
    assert agent.on_load(**wanted) == {"missing": [DIGEST, "f" * 64]}


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"op": "missing", "instance": "other", "arguments": {"files": {}}}, "instance"),
        ({"op": "hello", "instance": "", "not_after": time.monotonic() - 1}, "late"),
        ({"op": "unknown"}, "error"),
        ({"op": "missing", "arguments": {"folders": 1}}, "error"),
    ],
)
def test_call_answers_with_what_is_wrong(request_: dict[str, Any], kind: str) -> None:
    text = json.dumps({"id": "n", "instance": agent_module.agent.instance, **request_})
    answer = json.loads(base64.urlsafe_b64decode(agent_module.call(text)))
    assert (answer["id"], answer["kind"]) == ("n", kind)


def test_probe_returns_what_the_probe_prints(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(str(agent.on_probe(probe_source())["output"]))
    assert facts["executable"] == sys.executable
    assert capsys.readouterr().out == ""


HOLD = """
import os, runpy, sys
agent = runpy.run_path(sys.argv[1])["Agent"]()
agent.own_folder()
print("held", flush=True)
sys.stdin.read()
os._exit(0)  # as a killed process does: without clean-up
"""


@posix
def test_sweeps_what_the_dead_left_and_not_what_the_living_use(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, agent_module.__file__]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    others = [tmp_path / f"{agent_module.FOLDER_PREFIX}{name}" for name in ("young", "old", "link")]
    for folder in others[:2]:
        folder.mkdir()
    os.utime(others[1], (0, 0))
    (tmp_path / "elsewhere").mkdir()
    others[2].symlink_to(tmp_path / "elsewhere")
    (tmp_path / "unrelated").mkdir()
    sweep(str(tmp_path))
    assert len(list(tmp_path.glob(f"{agent_module.FOLDER_PREFIX}*"))) == 3  # in use, young, a link
    assert not others[1].exists()
    process.communicate()
    sweep(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [others[0].name, others[2].name, "elsewhere", "unrelated"]
    )


@posix
def test_a_forked_child_removes_nothing(agent: Agent) -> None:
    folder = agent.own_folder()
    agent.process += 1  # what a child sees
    agent.remove_folder()
    assert Path(folder).is_dir()
    agent.process -= 1
