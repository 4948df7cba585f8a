"""The compiler line that cargo prints, and how it is used again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pyo3magic.compile.rustc_line import Invocation, find_invocation, read_invocation, rustflags

pytestmark = pytest.mark.skipif(os.name == "nt", reason="cargo prints another form on Windows")


@pytest.fixture
def libraries(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "deps" / name for name in ("libpyo3-1.rlib", "lib with space-2.rlib")]
    made[0].parent.mkdir()
    for path in made:
        path.write_bytes(b"library")
    return made


def line(folder: Path, libraries: list[Path], *, name: str = "cell", variables: str = "", more: str = "") -> str:
    """A line in the form of ``cargo build -vv`` of cargo 1.95."""
    return (
        f"     Running `CARGO=/opt/bin/cargo CARGO_CRATE_NAME={name} CARGO_MANIFEST_DIR={folder} CARGO_PKG_AUTHORS='' {variables} "
        f"/opt/bin/rustc --crate-name {name} --edition=2024 src/lib.rs --error-format=json --crate-type cdylib "
        f'--emit=dep-info,link -C opt-level=3 --check-cfg \'cfg(feature, values("a", "b"))\' -C metadata=12ab '
        f"--out-dir {folder}/target/deps -L dependency={folder}/target/deps --extern pyo3={libraries[0]} "
        f"--extern 'other={libraries[1]}' --extern proc_macro {more}`"
    )


def test_a_line_is_taken_apart(tmp_path: Path, libraries: list[Path]) -> None:
    quoted = r"""CARGO_PKG_DESCRIPTION='It'\''s "quoted" = `so` $HOME' CARGO_PKG_REPOSITORY='a b' EMPTY=''"""
    found = find_invocation(line(tmp_path, libraries, variables=quoted), library="cell", folder=tmp_path)
    assert found is not None
    assert found.variables == {
        "CARGO": "/opt/bin/cargo",
        "CARGO_CRATE_NAME": "cell",
        "CARGO_MANIFEST_DIR": str(tmp_path),
        "CARGO_PKG_AUTHORS": "",
        "CARGO_PKG_DESCRIPTION": 'It\'s "quoted" = `so` $HOME',
        "CARGO_PKG_REPOSITORY": "a b",
        "EMPTY": "",
    }
    assert found.arguments[:3] == ("/opt/bin/rustc", "--crate-name", "cell")
    assert 'cfg(feature, values("a", "b"))' in found.arguments
    assert set(found.libraries) == {str(path) for path in libraries}
    assert found.output_folder == tmp_path / "target" / "deps"
    assert found.is_fresh()


def test_a_line_is_stale_without_its_file_of_options(tmp_path: Path, libraries: list[Path]) -> None:
    options = tmp_path / "path prefixes"
    options.write_text("--cfg one\n", encoding="utf-8")
    found = find_invocation(line(tmp_path, libraries, more=f"'@{options}'"), library="cell", folder=tmp_path)
    assert found is not None
    assert f"@{options}" in found.arguments
    assert found.is_fresh()
    options.unlink()
    assert not found.is_fresh()


def test_a_value_may_span_lines_only_if_it_can_be_understood(tmp_path: Path, libraries: list[Path]) -> None:
    text = line(tmp_path, libraries, variables="CARGO_PKG_DESCRIPTION='two\nlines'")
    found = find_invocation(text, library="cell", folder=tmp_path)
    assert found is None or found.variables["CARGO_PKG_DESCRIPTION"] == "two\nlines"


def test_the_last_line_of_the_right_package_is_taken(tmp_path: Path, libraries: list[Path]) -> None:
    text = "\n".join(
        (
            "   Compiling pyo3 v0.30.1",
            line(tmp_path, libraries, name="pyo3"),
            line(tmp_path, libraries, more="--cfg first"),
            line(tmp_path, libraries, more="--cfg second"),
            line(tmp_path, libraries, name="cell_two"),
            "    Finished `release` profile",
        )
    )
    found = find_invocation(text, library="cell", folder=tmp_path)
    assert found is not None
    assert found.arguments[-1] == "second"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "    Finished `release` profile [optimized] target(s) in 0.02s",
        "     Running `rustc --crate-name other --out-dir x`",
        "     Running `CARGO_MANIFEST_DIR=/elsewhere rustc --crate-name cell --out-dir x`",
        "     Running `CARGO_MANIFEST_DIR={folder} rustc --crate-name cell src/lib.rs`",
        "     Running `CARGO_MANIFEST_DIR={folder} X='unclosed rustc --crate-name cell --out-dir x`",
        "     Running `CARGO_MANIFEST_DIR={folder} CARGO=--crate-name cell `",
        "     Running `set CARGO_MANIFEST_DIR={folder}&& rustc --crate-name cell --out-dir x`",
    ],
)
def test_what_is_not_understood_goes_through_cargo(tmp_path: Path, text: str) -> None:
    found = find_invocation(text.replace("{folder}", str(tmp_path)), library="cell", folder=tmp_path)
    assert found is None


@pytest.mark.parametrize("change", ["grown", "touched", "removed"])
def test_a_changed_library_makes_it_stale(tmp_path: Path, libraries: list[Path], change: str) -> None:
    found = find_invocation(line(tmp_path, libraries), library="cell", folder=tmp_path)
    assert found is not None
    if change == "grown":
        libraries[1].write_bytes(b"library, longer")
    elif change == "touched":
        os.utime(libraries[0], ns=(1, 1))
    else:
        libraries[0].unlink()
    assert not found.is_fresh()


def test_without_libraries_it_is_never_fresh(tmp_path: Path) -> None:
    assert not Invocation(("rustc",), {}, str(tmp_path), {}).is_fresh()


@pytest.mark.parametrize(("options", "remapped"), [("", False), ("-C debuginfo=0", False), ("-C debuginfo=1", True)])
def test_elsewhere(tmp_path: Path, libraries: list[Path], options: str, remapped: bool) -> None:
    found = find_invocation(line(tmp_path, libraries, more=options), library="cell", folder=tmp_path)
    assert found is not None
    new = found.elsewhere(Path("/elsewhere/package"), Path("/elsewhere/out"))
    assert new[new.index("--out-dir") + 1] == "/elsewhere/out"
    assert (f"/elsewhere/package={tmp_path}" in new) is remapped
    assert [word for word in new if word not in found.arguments] == (
        ["/elsewhere/out", "--remap-path-prefix", f"/elsewhere/package={tmp_path}"] if remapped else ["/elsewhere/out"]
    )


def test_it_is_read_as_it_was_written(tmp_path: Path, libraries: list[Path]) -> None:
    found = find_invocation(line(tmp_path, libraries), library="cell", folder=tmp_path)
    assert found is not None
    (tmp_path / "kept.json").write_text(found.to_text())
    assert read_invocation(tmp_path / "kept.json") == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps({"arguments": [], "variables": {}, "folder": "", "libraries": {"a": [1]}}),
    ],
)
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept.json").write_text(text)
    assert read_invocation(tmp_path / "kept.json") is None
    assert read_invocation(tmp_path / "absent.json") is None


@pytest.mark.cargo
def test_what_this_cargo_really_prints(tmp_path: Path) -> None:
    """Quotes, spaces and an equals sign in the manifest; the line then builds the same file by itself."""
    folder = tmp_path / "with space"
    for name, text in {
        "Cargo.toml": (
            '[package]\nname = "cell"\nversion = "0.1.0"\nedition = "2024"\n'
            'description = "it\'s \\"quoted\\" = `x` $Y"\nauthors = ["A B <a@b>"]\n[workspace]\n'
            '[lib]\ncrate-type = ["cdylib"]\n[dependencies]\nother = { path = "other" }\n'
        ),
        "src/lib.rs": 'pub const SAID: &str = env!("CARGO_PKG_DESCRIPTION");\n#[unsafe(no_mangle)] pub extern "C" fn a() -> i32 { other::X }',
        "other/Cargo.toml": '[package]\nname = "other"\nversion = "0.1.0"\nedition = "2024"\n',
        "other/src/lib.rs": "pub const X: i32 = 7;",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environ = {**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TARGET_DIR": str(tmp_path / "target")}
    built = subprocess.run(
        ["cargo", "build", "-vv", "--release", "--offline"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    found = find_invocation(built.stderr, library="cell", folder=folder)
    assert found is not None
    assert found.variables["CARGO_PKG_DESCRIPTION"] == 'it\'s "quoted" = `x` $Y'
    assert found.variables["CARGO_PKG_AUTHORS"] == "A B <a@b>"
    assert [Path(path).name.partition("-")[0] for path in found.libraries] == ["libother"]
    assert found.is_fresh()
    output = tmp_path / "out"
    output.mkdir()
    subprocess.run(
        found.elsewhere(folder, output), cwd=folder, env={**environ, **found.variables}, capture_output=True, check=True
    )
    made = next(path for path in output.iterdir() if path.suffix in {".so", ".dylib"})
    assert made.read_bytes() == (found.output_folder / made.name).read_bytes()


def test_arguments_from_the_environment_are_not_recorded(tmp_path: Path) -> None:
    flags = rustflags({"RUSTFLAGS": '--cfg  secret="s" -Cdebuginfo=0 '})
    assert flags == ("--cfg", 'secret="s"', "-Cdebuginfo=0")
    assert rustflags({"RUSTFLAGS": "-x", "CARGO_ENCODED_RUSTFLAGS": "--cfg\x1fa b"}) == ("--cfg", "a b")
    assert rustflags({}) == ()
    whole = Invocation(("rustc", "src/lib.rs", *flags, "-C", "opt-level=3", *flags), {}, "/f", {})
    text = whole.to_text(flags)
    assert "secret" not in text
    (tmp_path / "kept.json").write_text(text)
    assert read_invocation(tmp_path / "kept.json", flags) == whole
    assert (
        Invocation(("rustc", "--cfg", "x"), {}, "/f", {}).to_text(flags)
        == Invocation(("rustc", "--cfg", "x"), {}, "/f", {}).to_text()
    )
