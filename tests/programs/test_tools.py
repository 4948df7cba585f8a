"""Expanded macros, rustfmt, clippy, explanations; and times of a build."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.diagnostics import render_text
from pyo3magic.environment.context import Context, gather
from pyo3magic.errors import CellError, CompileError, OptionError, ToolchainError
from pyo3magic.programs.request import Request
from pyo3magic.programs.task import Task
from pyo3magic.programs.timings import read_passes, read_units
from pyo3magic.programs.tools import expand, explain, find_tool, format_cell, lint

if TYPE_CHECKING:
    from .conftest import Cells

pytestmark = pytest.mark.cargo


@pytest.fixture
def context(cells: Cells) -> Context:
    return gather(cells.session.store)


def task(context: Context, body: str) -> Task:
    return Task(context, Options(), body, "In[3]")


@pytest.fixture
def equipped(cells: Cells, tools: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Context:
    """A context whose toolchain has rustfmt and clippy."""
    for name, value in tools.items():
        monkeypatch.setenv(name, value)
    return gather(cells.session.store)


def test_expanded_macros_are_the_cells_own(context: Context) -> None:
    text = expand(task(context, "#[derive(Clone)] struct S;\n#[pyfunction] fn f() {}"))
    assert "impl ::core::clone::Clone for S" in text
    assert "__pyfunction_f" in text
    assert "pyo3magic" not in text
    assert "prelude" not in text
    with pytest.raises(CompileError):
        expand(task(context, "struct S {"))


def test_rustfmt_formats_below_the_front_matter(equipped: Context) -> None:
    head = '---\n[dependencies]\nserde   = "1"\n---\n'
    assert format_cell(task(equipped, f"{head}fn   f( ) {{ }}")) == f"{head}fn f() {{}}\n"
    (Path.cwd() / "rustfmt.toml").write_text("tab_spaces = 2\n", encoding="utf-8")
    assert "\n  1" in format_cell(task(equipped, "fn f() -> u8 { let x = 0; drop(x);\n1 }"))


def test_rustfmt_says_where_it_stumbles(equipped: Context) -> None:
    with pytest.raises(CellError) as caught:
        format_cell(task(equipped, "fn f() {}\nfn g( {"))
    assert "In[3]:3:" in caught.value.advice
    assert "\n3 | fn g( {" in caught.value.advice


def test_clippy_lints_with_the_cells_lines(equipped: Context) -> None:
    body = "#[pyfunction]\nfn f(v: Vec<i64>) -> bool { return v.len() == 0; }"
    shown = render_text(lint(task(equipped, body)), "In[3]")
    assert "In[3]:3:" in shown
    assert "clippy::len_zero" in shown
    assert "clippy::needless_pass_by_value" not in shown
    more = lint(task(equipped, body), ["-W", "clippy::pedantic"])
    assert "needless_pass_by_value" in render_text(more, "In[3]")
    assert lint(task(equipped, "#[pyfunction]\nfn f(x: i64) -> i64 {\n    x\n}")) == ()


@pytest.mark.parametrize(("program", "component"), [("rustfmt", "rustfmt"), ("clippy-driver", "clippy")])
def test_what_is_missing_can_be_installed(context: Context, tmp_path: Path, program: str, component: str) -> None:
    """A toolchain without components, with rustup's proxies on PATH: they are there whatever is installed."""
    sysroot = tmp_path / "nightly-x86_64-unknown-linux-gnu"
    (sysroot / "bin").mkdir(parents=True)
    proxies = tmp_path / "proxies"
    proxies.mkdir()
    (proxies / "rustup").write_text("#!/bin/sh\n", encoding="ascii")
    (proxies / "rustup").chmod(0o700)
    (proxies / program).symlink_to("rustup")
    bare = dataclasses.replace(context.toolchain, sysroot=sysroot, rustc=sysroot / "bin" / "rustc")
    with pytest.raises(ToolchainError, match=f"{component} is not installed") as caught:
        find_tool(program, component, bare, {"PATH": str(proxies)})
    assert f"rustup component add {component} --toolchain nightly-x86_64-unknown-linux-gnu" in caught.value.advice


@pytest.mark.parametrize("code", ["E0382", "e0382", "382", " E0382 "])
def test_errors_are_explained(context: Context, code: str) -> None:
    assert "used after its contents have been moved" in explain(context, code)


@pytest.mark.parametrize("code", ["", "E12345", "moved", "E9999"])
def test_what_is_no_error(context: Context, code: str) -> None:
    with pytest.raises(OptionError):
        explain(context, code)


def test_times_are_read() -> None:
    page = (
        'x\nconst UNIT_DATA = [{"name": "a", "version": "1", "target": " build-script", "start": 0, "duration": 0.5},'
    )
    page += '{"name": "b", "version": "2", "start": 0.5, "duration": 2.0}, {"name": "c", "version": "3", "start": 0, '
    page += '"duration": 0}];\nconst OTHER = [];'
    assert [(unit.name, unit.seconds) for unit in read_units(page)] == [("b 2", 2.0), ("a 1 build-script", 0.5)]
    assert read_units("") == ()
    steps, total = read_passes('time: {"pass":"link","time":0.25}\nnoise\ntime: {"pass":"total","time":1.0}')
    assert total == 1.0
    assert dict(steps)["linking"] == 0.25
    assert sum(seconds for _, seconds in steps) == total


def test_where_the_time_of_a_build_goes(cells: Cells) -> None:
    answer = cells.perform("pub fn a() {}", Request("timings"))
    assert "linking" in answer.text
    assert "cell 0.0.0" in answer.text
    assert "<progress" in answer.html
    with pytest.raises(CompileError):
        cells.perform("pub fn a() -> u8 {}", Request("timings"))
