"""``python -m pyo3magic``, and what it and the doctor say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyo3magic
from pyo3magic.__main__ import main
from pyo3magic.compile.warm_up import is_warm
from pyo3magic.info import Finding, Report, examine
from pyo3magic.store import Store


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["cache", "--nonsense"], ["info", "extra"]])
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: pyo3magic" in capsys.readouterr().err


def test_cache(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    status, out, err = run(capsys, "--store", store, "cache", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["store"] == store
    status, out, _ = run(capsys, "--store", store, "cache", "--prune", "1GB")
    assert "0 B freed" in out
    status, out, _ = run(capsys, "--store", store, "cache", "--clear", "--update")
    assert status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cache", "--prune", "lots"), "OptionError: 'lots' is not a size.\nWrite for example 20GB or 512MiB.\n"),
    ],
)
def test_errors_are_two_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert run(capsys, "--store", str(tmp_path / "store"), *arguments) == (1, "", said)


def test_a_store_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    status, out, err = run(capsys, "--store", str(tmp_path), "cache")
    assert (status, out) == (1, "")
    assert err.startswith("StoreError: The folder")


def test_no_cargo_is_said_with_the_way_to_get_it(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    report = examine(tmp_path / "store", directory=tmp_path, environ=environ)
    (rust,) = (finding for finding in report.findings if finding.name == "Rust")
    assert "cargo" in rust.value
    assert "rustup" in rust.advice
    assert not report.is_ready
    assert report.to_dict()["ready"] is False


def test_the_doctor_reports_an_unusable_store(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    (finding,) = (item for item in examine(tmp_path).findings if item.name == "store")
    assert "is not a store of pyo3magic" in finding.value
    assert "PYO3MAGIC_STORE" in finding.advice


def test_secrets_are_not_in_the_report(tmp_path: Path) -> None:
    environ = {**os.environ, "CARGO_REGISTRIES_MY_TOKEN": "s3cret", "CARGO_PROFILE_RELEASE_LTO": "thin"}
    environ |= {"PYO3_CROSS_INCLUDE_DIR": "/usr/include"}
    text = examine(tmp_path / "store", environ=environ).to_text()
    assert "s3cret" not in text
    assert "CARGO_PROFILE_RELEASE_LTO=thin" in text
    assert "PYO3_CROSS_INCLUDE_DIR is no longer needed" in text


def test_a_report_as_text() -> None:
    report = Report((Finding("a", "fine"), Finding("longer", "missing", "Get it.\nSoon.")))
    assert report.to_text() == "✓ a       fine\n✗ longer  missing\n          Get it.\n          Soon."
    assert not report.is_ready


@pytest.mark.cargo
def test_info_and_warm(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    assert is_warm(Store(store), os.environ)
    status, out, _ = run(capsys, "--store", str(store), "info", "--json")
    found = {item["name"]: item for item in json.loads(out)["findings"]}
    assert status == 0
    assert found["rustc"]["value"][0].isdigit()
    assert "compiled for this Python" in found["pyo3"]["value"]
    status, out, _ = run(capsys, "--store", str(store), "warm")
    assert status == 0
    assert "warm after" in out


def test_an_empty_store_is_not_warm(tmp_path: Path) -> None:
    assert not is_warm(Store(tmp_path / "store"), os.environ)
    assert not is_warm(Store(tmp_path / "store"), {"PATH": ""})


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"pyo3magic {pyo3magic.__version__}\n"


@pytest.mark.cargo
def test_build(capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path) -> None:
    (tmp_path / "shelly.rs").write_text("pub fn number() -> i32 { 42 }")
    status, out, _ = run(
        capsys, "--store", str(store), "build", str(tmp_path / "shelly.rs"), "-o", str(tmp_path / "out")
    )
    assert status == 0
    path = Path(out.strip())
    assert path.parent == tmp_path / "out"
    code = "import shelly; print(shelly.number())"
    done = subprocess.run([sys.executable, "-c", code], cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.stdout == "42\n"
    if sys.platform == "linux":
        assert b"libpyo3magic_runtime" not in path.read_bytes(), "the file needs a library in the store"


@pytest.mark.cargo
def test_build_errors_name_the_files_lines(capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.rs"
    file.write_text("pub fn number() -> i32 {\n    true\n}")
    status, out, err = run(capsys, "--store", str(store), "build", str(file))
    assert (status, out) == (1, "")
    assert "wrong.rs:2:5" in err
    assert "CompileError" in err


@pytest.mark.cargo
def test_warm_takes_what_cells_will_ask_for(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    status, out, _ = run(capsys, "--store", str(store), "warm", "--offline", "--features", "py-clone")
    assert status == 0, out
    status, _, err = run(capsys, "--store", str(store), "warm", "--offline", "--pyo3", "=99.0.0")
    assert status == 1
    assert "DependencyError" in err
