"""Settings: configuration, then environment variables, then defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from traitlets import TraitError
from traitlets.config import Config

from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.errors import OptionError
from pyo3magic.settings import PyO3Magic, parse_size


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PYO3MAGIC_"):
            monkeypatch.delenv(name)


def test_defaults() -> None:
    values = PyO3Magic().values()
    assert Path(values.pop("store")).name == "pyo3magic"
    assert (
        values.items()
        >= {
            "size_limit": "20GB",
            "warm_up": True,
            "offline": False,
            "edition": "2024",
            "pyo3": "",
            "progress_delay": 0.5,
        }.items()
    )


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("PYO3MAGIC_STORE", "/somewhere/else", "store", "/somewhere/else"),
        ("PYO3MAGIC_SIZE_LIMIT", "5GB", "size_limit", "5GB"),
        ("PYO3MAGIC_WARM_UP", "0", "warm_up", False),
        ("PYO3MAGIC_WARM_UP", "No", "warm_up", False),
        ("PYO3MAGIC_WARM_UP", "", "warm_up", True),
        ("PYO3MAGIC_OFFLINE", "1", "offline", True),
        ("PYO3MAGIC_OFFLINE", " off ", "offline", False),
        ("PYO3MAGIC_EDITION", "2021", "edition", "2021"),
        ("PYO3MAGIC_PYO3", "0.28", "pyo3", "0.28"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the path is POSIX's")
def test_variables(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, name: str, value: object) -> None:
    monkeypatch.setenv(variable, text)
    assert PyO3Magic().values()[name] == value


def test_configuration_wins_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYO3MAGIC_EDITION", "2018")
    assert PyO3Magic(config=Config({"PyO3Magic": {"edition": "2021"}})).edition == "2021"


def test_each_setting_has_a_help_text() -> None:
    assert all(trait.help for trait in PyO3Magic.class_traits(config=True).values())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1234", 1234),
        ("20GB", 20 * 10**9),
        ("20 gb", 20 * 10**9),
        ("1.5G", 1_500_000_000),
        ("512MiB", 512 * 2**20),
        ("2KiB", 2048),
        ("1TB", 10**12),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "many", "1XB", "1 2 GB", "inf", "nan", "1e400", "--3"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(OptionError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("size_limit", "lots", "'lots' is not a size"),
        ("size_limit", "-1GB", "is not a size"),
        ("edition", "1999", "There is no Rust edition '1999'"),
        ("pyo3", "newest", "'newest' is not a version requirement"),
        ("pyo3", "0.28,", "is not a version requirement"),
        ("remote_timeout", -5, "-5.0 is not a number of seconds above 0"),
        ("remote_timeout", float("inf"), "is not a number of seconds above 0"),
        ("progress_delay", -0.1, "is not a number of seconds"),
        ("metadata", {"nmae": "x"}, "unknown key 'nmae'[^|]*Did you mean 'name'"),
        ("metadata", {"classifiers": 3}, "has classifiers = 3"),
    ],
)
def test_a_wrong_value_is_refused_when_it_is_set(name: str, value: object, said: str) -> None:
    settings = PyO3Magic()
    before = getattr(settings, name)
    with pytest.raises(TraitError, match=rf"PyO3Magic\.{name}: .*{said}"):
        setattr(settings, name, value)
    assert getattr(settings, name) == before
    with pytest.raises(TraitError, match=said):
        settings.update_config(Config({"PyO3Magic": {name: value}}))
    assert getattr(settings, name) == before


@pytest.mark.parametrize(
    "value", ["", "*", "0.28", "^0.28.1", ">=0.25, <0.31", "=0.30.1", "~0.29", "0.28.*", "0.31.0-rc.1"]
)
def test_requirements_as_cargo_reads_them(value: str) -> None:
    settings = PyO3Magic()
    settings.pyo3 = value
    assert settings.build_options().pyo3 == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PYO3MAGIC_EDITION", "1999"),
        ("PYO3MAGIC_SIZE_LIMIT", "lots"),
        ("PYO3MAGIC_OFFLINE", "perhaps"),
        ("PYO3MAGIC_WARM_UP", "2"),
        ("PYO3MAGIC_REMOTE_TIMEOUT", "soon"),
        ("PYO3MAGIC_REMOTE_TIMEOUT", "0"),
        ("PYO3MAGIC_PYO3", "???"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(OptionError, match=f"The environment variable {variable} is"):
        PyO3Magic().values()


def test_what_is_asked_of_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYO3MAGIC_OFFLINE", "1")
    monkeypatch.setenv("PYO3MAGIC_EDITION", "2021")
    monkeypatch.setenv("PYO3MAGIC_PYO3", "0.28")
    asked = PyO3Magic().build_options(python="python3", target="x", force=True, report=print)
    assert asked == BuildOptions(
        python="python3", target="x", offline=True, edition="2021", pyo3="0.28", force=True, report=print
    )
    monkeypatch.delenv("PYO3MAGIC_OFFLINE")
    assert PyO3Magic().build_options(offline=True).offline
    assert not PyO3Magic().build_options().offline
