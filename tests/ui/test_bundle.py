"""The built front end belongs to the sources and to the version of this checkout; none of this needs node."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pyo3magic
from pyo3magic.diagnostics import front_end

if TYPE_CHECKING:
    from types import ModuleType

_ROOT = Path(__file__).parents[2]
_UI = _ROOT / "ui"


def _json(name: str) -> Any:
    return json.loads((_UI / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ui_tool", _ROOT / "tools" / "ui.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundle_was_built_from_these_sources(tool: ModuleType) -> None:
    assert tool.recorded() == tool.digests(), "ui/ has changed since it was built: run `make ui` and commit the result"


def test_versions_are_in_step() -> None:
    for name in ("package.json", "package-lock.json", "labextension/package.json"):
        assert _json(name)["version"] == pyo3magic.__version__, name


def test_the_entry_point_is_there() -> None:
    built = _json("labextension/package.json")["jupyterlab"]["_build"]
    assert (_UI / "labextension" / built["load"]).is_file()


def test_editors_are_not_bundled_twice() -> None:
    """A second copy of the editor's state would be ignored by JupyterLab's editors."""
    licences = _json("labextension/static/third-party-licenses.json")["packages"]
    assert {package["name"] for package in licences} <= {"@codemirror/lint", "crelt", "css-loader", "style-loader"}


def test_both_ends_have_the_same_protocol() -> None:
    text = (_UI / "src" / "protocol.ts").read_text(encoding="utf-8")
    assert re.findall(r"version\W+(\d+)", text) == [str(front_end.PROTOCOL_VERSION)] * 2
    sent = front_end.for_front_end([front_end_sample()], "In[3]")
    names = {name for item in [sent, *sent["diagnostics"]] for name in item}
    diagnostic = sent["diagnostics"][0]
    names |= {*diagnostic["spans"][0], *diagnostic["suggestions"][0], *diagnostic["suggestions"][0]["edits"][0]}
    assert names == set(re.findall(r"^  (\w+): ", text, re.MULTILINE))


def front_end_sample() -> Any:
    from pyo3magic.diagnostics import Diagnostic, Edit, Span, Suggestion

    edit = Edit(3, 9, 3, 13, "mut ", "")
    return Diagnostic(
        "warning", "unused", spans=(Span(3, 9, 3, 14, is_primary=True),), suggestions=(Suggestion("remove", (edit,)),)
    )


@pytest.mark.slow
def test_jupyterlab_finds_it_in_an_installed_wheel(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    try:
        wheel = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(_ROOT)]
        subprocess.run(wheel, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the wheel could not be built: {error.stderr.strip().splitlines()[-1][:200]}")
    file = next(tmp_path.glob("*.whl"))
    assert file.stat().st_size < 700_000
    names = zipfile.ZipFile(file).namelist()
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".map"))]

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    python = Path(sysconfig.get_path("scripts", "venv", scheme)) / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    (packages / "jupyter.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(file)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    variables = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "no")}
    command = [str(python), "-m", "jupyterlab.labextensions", "list"]
    listed = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    text = re.sub(r"\x1b\[\d*m", "", listed.stdout + listed.stderr)
    assert re.search(rf"pyo3magic v{re.escape(pyo3magic.__version__)} enabled\s+OK", text), text
