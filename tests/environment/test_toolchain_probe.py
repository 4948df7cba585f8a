from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment import toolchain_probe as module
from pyo3magic.environment.toolchain_search import find_toolchain
from pyo3magic.errors import ToolchainError

from .conftest import Find, make_program, posix, rustc_script, rustup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@rustup
@pytest.mark.cargo
def test_rustup_refusals_are_one_line_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="toolchain 'nope' is not installed") as caught:
        find_toolchain(directory=tmp_path, environ={**os.environ, "RUSTUP_TOOLCHAIN": "nope"})
    assert "\n" not in caught.value.message
    assert "rustup toolchain install nope" in caught.value.advice
    empty = {name: value for name, value in os.environ.items() if name != "RUSTUP_TOOLCHAIN"}
    with pytest.raises(ToolchainError, match="no default is configured") as caught:
        find_toolchain(directory=tmp_path, environ={**empty, "RUSTUP_HOME": str(tmp_path / "empty")})
    assert "rustup default stable" in caught.value.advice


@posix
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_proxy_is_replaced_by_the_compiler_behind_it(
    tmp_path: Path, find: Find, fake: Path, link: Callable[..., None]
) -> None:
    bin_folder = tmp_path / "proxies"
    proxy = make_program(bin_folder / "rustup", rustc_script(fake))
    link(proxy, bin_folder / "rustc")
    make_program(bin_folder / "cargo", "echo cargo 1.90.0")
    assert find(PATH=f"{bin_folder}:/bin").rustc == fake / "bin" / "rustc"


@posix
@pytest.mark.parametrize(
    ("rustc", "cargo", "message"),
    [
        (None, "echo cargo 1.90.0", "but no rustc"),
        ("echo hello", "echo cargo 1.90.0", "printed 'hello'"),
        ("echo 'error: linked library is gone' >&2; exit 9", "", "code 9: linked library is gone"),
        ("SYSROOT", "echo hello", "`cargo -V` printed 'hello'"),
        ("OLD", "", r"rustc 1\.84\.1 was found .* need 1\.85"),
        ("sleep 60", "", r"-vV` did not end: .* within 0\.3 seconds"),
        ("SYSROOT", "sleep 60", r"cargo -V` did not end"),
        ("SYSROOT-MISSING", "echo cargo 1.90.0", "--print sysroot` printed"),
    ],
)
def test_broken_toolchain(
    tmp_path: Path, fake: Path, find: Find, monkeypatch: pytest.MonkeyPatch, rustc: str | None, cargo: str, message: str
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.3)
    texts = {
        "SYSROOT": rustc_script(fake),
        "OLD": rustc_script(fake, "1.84.1"),
        "SYSROOT-MISSING": rustc_script(fake / "none"),
    }
    make_program(fake / "bin" / "cargo", cargo)
    if rustc is None:
        (fake / "bin" / "rustc").unlink()
    else:
        make_program(fake / "bin" / "rustc", texts.get(rustc, rustc))
    with pytest.raises(ToolchainError, match=message) as caught:
        find(PATH=os.pathsep.join([str(fake / "bin"), str(_tools(tmp_path))]))
    assert caught.value.advice


def _tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sleep", "sh"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


@posix
def test_old_rustc_of_rustup_is_to_be_updated(tmp_path: Path, fake: Path, find: Find) -> None:
    proxy = make_program(tmp_path / "proxies" / "rustup", rustc_script(fake, "1.80.0"))
    (proxy.parent / "rustc").symlink_to(proxy)
    (proxy.parent / "cargo").symlink_to(proxy)
    with pytest.raises(ToolchainError) as caught:
        find(PATH=f"{proxy.parent}:/bin")
    assert "rustup update stable" in caught.value.advice
