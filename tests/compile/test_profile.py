"""Compiler flags are added to the user's own, wherever these are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.compile.path_prefixes import prefixes_file
from pyo3magic.compile.profile import Profile, module_profile

from .conftest import make_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.environment.context import Context

FILE = Path("/home/me/my store/path-prefixes")
FLAG = f"@{FILE}"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, {"HOME": str(tmp_path / "home")})


@pytest.mark.parametrize(
    ("profile", "flags"),
    [
        (Profile(), ()),
        (Profile(prefixes=FILE), (FLAG,)),
        (Profile(native=True, prefixes=FILE), ("-Ctarget-cpu=native", FLAG)),
        (Profile(flags=("-Ca",), prefixes=FILE), ("-Ca", FLAG)),
        # A debugger looks for the files.
        (Profile(debug=True, prefixes=FILE), ()),
        (Profile(debug=True, native=True, prefixes=FILE), ("-Ctarget-cpu=native",)),
    ],
)
def test_flags(profile: Profile, flags: tuple[str, ...]) -> None:
    assert profile.rustflags == flags


def test_the_folder_of_the_prefixes_is_no_difference() -> None:
    """A store uses what a layer below it has recorded."""
    assert Profile(prefixes=FILE).identity == Profile(prefixes=FILE.with_name("other")).identity
    assert Profile(prefixes=FILE).identity != Profile().identity
    assert Profile(prefixes=FILE).identity != Profile(native=True, prefixes=FILE).identity


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"RUSTFLAGS": ""}, [FLAG]),
        ({"RUSTFLAGS": "--cfg  one"}, ["--cfg", "one", FLAG]),
        ({"CARGO_ENCODED_RUSTFLAGS": ""}, [FLAG]),
        ({"CARGO_ENCODED_RUSTFLAGS": "--cfg\x1fa b", "RUSTFLAGS": "--cfg two"}, ["--cfg", "a b", FLAG]),
    ],
)
def test_flags_after_those_of_the_environment(
    context: Context, environ: Mapping[str, str], expected: list[str] | None
) -> None:
    """cargo takes CARGO_ENCODED_RUSTFLAGS, or else RUSTFLAGS, or else its configuration."""
    profile = Profile(prefixes=FILE)
    given = profile.environment(environ)
    arguments = profile.arguments(
        dataclasses.replace(context, environ=MappingProxyType({**context.environ, **environ}))
    )
    if expected is None:
        assert given == environ
        assert arguments == ["--release", "--config", f"target.'cfg(all())'.rustflags={json.dumps([FLAG])}"]
    else:
        assert given["CARGO_ENCODED_RUSTFLAGS"].split("\x1f") == expected
        assert arguments == ["--release"]


def test_without_flags_the_environment_stays(context: Context) -> None:
    environ = {"RUSTFLAGS": "--cfg one"}
    assert Profile(debug=True, prefixes=FILE).environment(environ) == environ
    assert Profile(debug=True, features=("a", "b")).arguments(context) == ["--features", "a,b"]


def test_all_modules_of_a_target_folder_have_the_same_flags(context: Context) -> None:
    """Otherwise, an export would compile pyo3 again."""
    flag = f"@{prefixes_file(context)}"
    assert module_profile(context).rustflags == (flag,)
    assert module_profile(context, Options(module="named")).rustflags == (flag,)
    assert module_profile(context, Options(debug=True)).rustflags == ()
