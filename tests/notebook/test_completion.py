"""What IPython's completer returns in cells of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.completer import provisionalcompleter

import pyo3magic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a matcher, which IPython only prints, fails the test."""

    def fail(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        raise error

    monkeypatch.setattr("sys.excepthook", fail)


def completed(shell: Any, typed: str) -> list[tuple[str, str]]:
    """The texts and types of the completions at the broken bar."""
    before, _, after = typed.partition("¦")
    with provisionalcompleter():
        found = list(shell.Completer.completions(before + after, len(before)))
    for item in found:
        assert item.end == len(before)
    return [(item.text, item.type) for item in found]


def texts(shell: Any, typed: str) -> list[str]:
    return [text for text, _ in completed(shell, typed)]


def test_rust_alone_is_suggested_in_a_rust_cell(plain: Any) -> None:
    plain.user_ns["total_of_python"] = 1
    assert completed(plain, "%%rust\nfn f() { let total = 1; tot¦ }") == [("total", "variable")]
    assert texts(plain, "%%rust\nzzz¦") == []
    assert texts(plain, '%%rust\nfn f() { let s = "tot¦') == []
    assert texts(plain, "%%rust\n#[pyf¦") == ["pyfunction"]
    assert "total_of_python" in texts(plain, "tot¦")


def test_jedi_is_not_asked_in_a_rust_cell(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(*_: object, **__: object) -> Iterator[Any]:
        asked.append(1)
        return iter(())

    monkeypatch.setattr(type(plain.Completer), "_jedi_matches", ask)
    for typed in ("%%rust\nzzz¦", "%%rust\nfn f() {}\nf¦", "%%rust --zzz¦", "%%rust\n---\nzzz¦"):
        completed(plain, typed)
    assert not asked
    completed(plain, "x¦")
    assert asked


def test_options_come_from_the_magics_own_parser(plain: Any) -> None:
    parser = plain.find_cell_magic("rust").parser
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert set(texts(plain, "%%rust -¦\nfn f() {}")) == flags
    assert texts(plain, "%%rust --prof¦") == ["--profile-build"]
    assert texts(plain, "%%rust --edition ¦") == ["2015", "2018", "2021", "2024"]
    assert texts(plain, "%%rust --emit ¦") == ["asm", "llvm-ir", "mir"]
    assert texts(plain, "%%rust --emit asm ¦\nfn area() {}") == ["area"]
    assert texts(plain, "%%rust --test ¦\n#[test]\nfn is_right() {}") == ["is_right"]
    assert texts(plain, "%%rust --features ¦\n---\n[features]\nfast = []\n---\nfn f() {}") == ["fast"]
    assert texts(plain, "%%rust --on ¦") == ["here"]


def test_options_of_the_other_magics(plain: Any) -> None:
    assert texts(plain, "%pyo3_cache --¦") == ["--clear", "--json", "--prune", "--update"]
    assert texts(plain, "wheel = %pyo3_wheel --requires¦") == ["--requires-python"]
    assert texts(plain, "%pyo3_project --backend ¦") == ["maturin", "setuptools-rust"]
    assert "License :: OSI Approved :: MIT License" in texts(
        plain, "%pyo3_wheel --classifier 'License :: OSI Approved :: MIT¦"
    )


def test_crates_targets_and_files_of_this_machine(plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = tmp_path / "cargo" / "registry" / "cache" / "one"
    downloads.mkdir(parents=True)
    for name in ("serde-1.0.1", "serde-1.0.2", "pyo3-0.30.1"):
        (downloads / f"{name}.crate").write_text("")
    (tmp_path / "source.rs").write_text("")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    assert texts(plain, "%%rust -d ser¦") == ["serde"]
    assert texts(plain, "%%rust -d serde@¦") == ["serde@1.0.2", "serde@1.0.1"]
    assert texts(plain, "%%rust --pyo3 ¦") == ["0.30.1"]
    assert texts(plain, "%%rust\n---\n[dependencies]\nse¦\n---\n") == ["serde"]
    assert texts(plain, "%%rust\n---\n[pack¦\n---\n") == ["package"]
    assert texts(plain, f"%rust --file {tmp_path}/so¦") == [f"{tmp_path}/source.rs"]
    assert texts(plain, "%%rust --target ¦") == []  # the toolchain has not been looked at


def test_other_cells_are_left_to_python(plain: Any) -> None:
    assert "%%rust" in texts(plain, "%%ru¦")
    assert "%pyo3_cache" in texts(plain, "%pyo3_ca¦")
    plain.user_ns["my_own_name"] = 1
    assert texts(plain, "print('%%rust', my_own¦") == ["my_own_name"]


def test_nothing_is_imported_before_the_first_rust_cell(plain: Any) -> None:
    assert plain._pyo3magic._hooks._completer is None
    completed(plain, "prin¦")
    assert plain._pyo3magic._hooks._completer is None
    completed(plain, "%%rust\nf¦")
    assert plain._pyo3magic._hooks._completer is not None


def test_unloading_takes_everything_away(plain: Any) -> None:
    matchers, info = plain.Completer.custom_matchers, plain.inspector.info
    assert len(matchers) == 1
    pyo3magic.unload_ipython_extension(plain)
    assert matchers == []
    assert plain.inspector.info != info
    assert "text/markdown" not in plain.inspector.mime_hooks
    pyo3magic.load_ipython_extension(plain)
