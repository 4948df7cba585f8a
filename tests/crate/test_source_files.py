from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.crate.companions import companions
from pyo3magic.crate.existing_rust import bring, has_changed
from pyo3magic.crate.file_names import Names, errors_of, names_of
from pyo3magic.crate.source_files import read_source, saved_text, write_source
from pyo3magic.diagnostics import Diagnostic, Span
from pyo3magic.errors import CellError, ManifestError, OptionError

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_rs", ".rs").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_file_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.rs").write_bytes(b"\xef\xbb\xbfpub fn f() {}\n")
    source = read_source("a.rs")
    assert (source.text, source.shown, source.path) == ("pub fn f() {}\n", "a.rs", tmp_path / "a.rs")
    assert not source.has_changed()
    (tmp_path / "a.rs").write_text("pub fn g() {}\n")
    assert source.has_changed()
    (tmp_path / "a.rs").unlink()
    assert source.has_changed()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("geom.rs", "There is no file geom.rs"),
        ("folder", "folder is a folder"),
        ("latin.rs", "latin.rs is not UTF-8 text, which Rust requires (byte 9, in line 2)"),
        ("missing/a.rs", "There is no file missing/a.rs"),
    ],
)
def test_a_file_that_cannot_be_read(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, geo_rs="", folder__a_rs="")
    (tmp_path / "latin.rs").write_bytes(b"//\n// caf\xe9\n")
    with pytest.raises(CellError) as caught:
        read_source(name)
    assert caught.value.message.startswith(message)
    assert caught.value.advice


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.rs"
    path.write_text("")
    path.chmod(0)
    with pytest.raises(CellError, match="Permission denied"):
        read_source(str(path))


@pytest.mark.parametrize(
    ("options", "body", "text"),
    [
        (Options(), "pub fn f() {}", "pub fn f() {}\n"),
        (
            Options(module="m", debug=True),
            "---\n[dependencies]\n---\nfn f() {}\n",
            "---\n[dependencies]\n---\nfn f() {}\n",
        ),
        (
            Options(dependencies=("itoa", "serde@1+derive")),
            "pub fn f() {}\n",
            '---\n[dependencies]\nitoa = "*"\nserde = {version = "1", features = ["derive"]}\n---\npub fn f() {}\n',
        ),
        (
            Options(pyo3="0.28", edition="2021"),
            '---\n[dependencies]\nrand = "0.9"\n---\npub fn f() {}\n',
            '---\n[dependencies]\nrand = "0.9"\npyo3 = "0.28"\n\n[package]\nedition = "2021"\n---\npub fn f() {}\n',
        ),
    ],
)
def test_a_saved_cell_holds_its_dependencies(options: Options, body: str, text: str) -> None:
    assert saved_text(options, body) == text


def test_nothing_of_others_is_overwritten(tmp_path: Path) -> None:
    path, ours = tmp_path / "cell.rs", dict[str, str]()
    assert write_source(str(path), b"one\n", overwrite=False, ours=ours) == path
    write_source(str(path), b"two\n", overwrite=False, ours=ours)
    assert path.read_text() == "two\n"
    path.write_text("edited\n")
    with pytest.raises(OptionError, match="already exists with different content"):
        write_source(str(path), b"three\n", overwrite=False, ours=ours)
    assert path.read_text() == "edited\n"
    write_source(str(path), b"edited\n", overwrite=False, ours={})
    write_source(str(path), b"three\n", overwrite=True, ours=ours)
    assert path.read_text() == "three\n"
    assert [item.name for item in tmp_path.iterdir()] == ["cell.rs"]


@pytest.mark.parametrize("name", ["nowhere/cell.rs", "."])
def test_what_cannot_be_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="cannot be written"):
        write_source(name, b"text", overwrite=False, ours={})
    assert list(tmp_path.iterdir()) == []


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.rs").write_text("old")
    (tmp_path / "link.rs").symlink_to("real.rs")
    write_source(str(tmp_path / "link.rs"), b"new", overwrite=True, ours={})
    assert (tmp_path / "real.rs").read_text() == "new"
    assert (tmp_path / "link.rs").is_symlink()


@pytest.mark.parametrize(
    ("body", "given", "kind"),
    [
        (None, {}, CellError),
        ("pub fn f() {}", {"file": "a.rs"}, OptionError),
        ("pub fn f() {}", {"crate": "."}, OptionError),
        (None, {"file": "a.rs", "crate": "."}, OptionError),
        (None, {"write": "b.rs"}, CellError),
        (None, {"crate": "nowhere"}, CellError),
        (None, {"file": "empty.rs"}, CellError),
    ],
)
def test_options_that_fit_nothing(
    body: str | None, given: dict[str, str], kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, a_rs="pub fn f() {}", empty_rs=" \n")
    with pytest.raises(kind):
        bring(Options(), body, label="In[1]", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "b.rs").exists()


def test_what_is_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, a_rs="pub fn f() {}\n")
    brought = bring(Options(module="m"), None, label="In[1]", file="a.rs")
    assert (brought.body, brought.label, brought.options.file) == ("pub fn f() {}\n", "a.rs", str(tmp_path / "a.rs"))
    assert not has_changed(brought.options, brought.body)
    (tmp_path / "a.rs").unlink()
    assert has_changed(brought.options, brought.body)
    (tmp_path / "Cargo.toml").touch()
    assert bring(Options(), None, label="In[1]", crate="Cargo.toml").options.crate == str(tmp_path)
    with pytest.raises(OptionError, match="-d cannot be given with --crate"):
        bring(Options(dependencies=("rand",)), None, label="In[1]", crate=".")


def test_messages_have_the_lines_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, helper_rs="")
    rendered = (
        "\x1b[91merror\x1b[0m: no\n \x1b[94m-->\x1b[0m src/lib.rs:10:5\n   \x1b[94m|\x1b[0m\n"
        "\x1b[94m9  \x1b[0m \x1b[94m|\x1b[0m 10 | 11\n\x1b[94m10\x1b[0m \x1b[94m|\x1b[0m x\n"
        "  \x1b[94m::: \x1b[0msrc/helper.rs:3:1\n\x1b[94m3\x1b[0m \x1b[94m|\x1b[0m y\n"
        "   = note: expected closure `{closure@src/lib.rs:7:2: 7:9}`"
    )
    diagnostic = Diagnostic("error", "no", None, rendered, (Span(10, 5, 10, 6, True), Span(3, 1, 3, 2, in_cell=False)))
    attached = companions(tmp_path / "a.rs", "mod helper;")
    (placed,) = names_of(Options(file="a.rs"), "a.rs", attached, tmp_path).diagnostics([diagnostic])
    assert [(span.line, span.end_line) for span in placed.spans] == [(9, 9), (3, 3)]
    assert "src/lib.rs:9:5" in placed.rendered
    assert "\x1b[94m8  \x1b[0m \x1b[94m|\x1b[0m 10 | 11" in placed.rendered
    assert "\x1b[94m9 \x1b[0m \x1b[94m|\x1b[0m x" in placed.rendered
    assert "::: \x1b[0mhelper.rs:3:1\n\x1b[94m3\x1b[0m \x1b[94m|\x1b[0m y" in placed.rendered
    assert "{closure@src/lib.rs:6:2: 6:9}" in placed.rendered


def test_an_error_about_a_cell_becomes_one_about_the_file() -> None:
    wrong = ManifestError("Line 4 of the cell is wrong (line 5 of the cell).", advice="a")
    as_file = r"^Line 3 of x.rs is wrong \(line 4 of x.rs\)\.\na$"
    with pytest.raises(ManifestError, match=as_file), errors_of(Options(file="/x.rs"), "x.rs"):
        raise wrong
    with pytest.raises(ManifestError) as caught, errors_of(Options(), "In[3]"):
        raise wrong
    assert caught.value is wrong


@pytest.mark.parametrize(
    ("text", "cell", "file"),
    [
        ("at src/lib.rs:5:9", "at In[3]:5:9", "at a.rs:4:9"),
        ("<impl at src/lib.rs:4:1: 12:9>", "<impl at In[3]:4:1: 12:9>", "<impl at a.rs:3:1: 11:9>"),
        (
            "test src/lib.rs - double (line 3) ... ok",
            "test In[3] - double (line 3) ... ok",
            "test a.rs - double (line 2) ... ok",
        ),
        ("at src/deep/b.rs:5:9", "at src/deep/b.rs:5:9", "at deep/b.rs:5:9"),
        *[(text, text, text) for text in ("/registry/x/src/lib.rs:5", "open src/lib.rs")],
    ],
)
def test_names_and_lines_in_what_a_program_writes(text: str, cell: str, file: str) -> None:
    assert Names("In[3]").text(text) == cell
    assert Names("a.rs", 1, {"src/deep/b.rs": "deep/b.rs"}).text(text) == file
