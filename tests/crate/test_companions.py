from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pyo3magic.cell import Cell, Options, with_folder
from pyo3magic.crate.companions import (
    Companions,
    attached_files,
    companions,
    companions_of,
    home_of,
    nearest,
)
from pyo3magic.errors import CellError

from .test_source_files import write


def names(found: Companions) -> list[str]:
    return [item.name for item in found.attached]


def test_what_a_file_names(tmp_path: Path) -> None:
    text = """
mod beside;
mod within;
#[cfg(windows)] mod absent;
#[cfg(test)] mod tests { mod inner; }
#[path = "odd/place.rs"] mod elsewhere;
// mod commented;
const TEXT: &str = include_str!("data.txt");
fn f() { println!("{}", include_str!(r"../up.txt")); let _ = "include_str!(\\"no.txt\\")"; }
"""
    folder = tmp_path / "project"
    write(
        folder,
        beside_rs="mod deeper;",
        beside__deeper_rs="",
        within__mod_rs="mod sibling;",
        within__sibling_rs='const T: &str = include_str!("near.txt");',
        within__near_txt="near",
        tests__inner_rs="",
        odd__place_rs="mod next;",
        odd__next_rs="",
        data_txt="data",
        commented_rs="",
        no_txt="",
    )
    (tmp_path / "up.txt").write_text("up")
    found = companions(folder / "main.rs", text)
    assert names(found) == [
        "src/beside.rs",
        "src/beside/deeper.rs",
        "src/data.txt",
        "src/odd/next.rs",
        "src/odd/place.rs",
        "src/tests/inner.rs",
        "src/within/mod.rs",
        "src/within/near.txt",
        "src/within/sibling.rs",
        "up.txt",
    ]
    assert {item.name: item.data for item in found.attached}["up.txt"] == b"up"
    assert found.attached[2].origin == str(folder / "data.txt")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("mod helper;", True),
        ("pub mod r#fn ;", True),
        ('const T: &str = include_str !("a.txt");', True),
        ('include!("a.rs");', True),
        ('#![doc = include_bytes!("a")]', True),
        ("mod inner { pub fn f() {} }", False),
        ('fn included() -> &\'static str { "mod" }', False),
        ("use crate::include_str;", False),
    ],
)
def test_only_a_cell_that_may_name_files_has_a_folder(
    body: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_folder(Options(debug=True), body) == Options(debug=True, folder=str(tmp_path) if named else None)


def test_the_home_of_a_cells_files(tmp_path: Path) -> None:
    assert home_of(Options()) is None
    assert home_of(Options(folder=str(tmp_path))) == tmp_path
    assert home_of(Options(file=str(tmp_path / "a.rs"))) == tmp_path
    assert companions_of(Cell(Options(), "mod helper;")) == Companions()


def test_what_is_read_and_looked_for_is_part_of_the_key(tmp_path: Path) -> None:
    write(tmp_path, helper__mod_rs='const T: &[u8] = include_bytes!("data.txt");', helper__data_txt="data")
    found = companions_of(Cell(Options(folder=str(tmp_path)), "mod helper;\n#[cfg(windows)] mod win;"))
    sha256 = hashlib.sha256(b"data").hexdigest()
    assert found.digests[str(tmp_path / "helper" / "data.txt")] == sha256
    assert found.digests[str(tmp_path / "helper.rs")] == ""
    assert found.digests[str(tmp_path / "win.rs")] == ""
    assert found.origins["src/helper.rs"] == str(tmp_path / "helper.rs")
    assert found.origins["src/helper/data.txt"] == str(tmp_path / "helper" / "data.txt")


@pytest.mark.parametrize(
    "code",
    [
        'const T: &str = std::include_str!("a.txt");',
        'const T: &str = include_str!("a.txt",);',
        'const T: &str = include_str!(r#"a.txt"#);',
        'const T: &str = include_str!("\\u{61}.txt");',
        'const T: &str = include_str!(concat!("a", /* dot */ ".txt"));',
        'const T: &str = include_str!("./x/../a.txt");',
        'fn f() { println!("{}", include_str!("a.txt")); }',
        '#![doc = include_str!("a.txt")]',
        '#[doc = include_str!("a.txt")] pub fn f() {}',
        'mod inner { const T: &str = include_str!("a.txt"); }',
        'macro_rules! m { () => { include_str!("a.txt") } }',
    ],
)
def test_ways_to_include(code: str, tmp_path: Path) -> None:
    write(tmp_path, a_txt="a")
    assert names(companions(tmp_path / "cell", code)) == ["src/a.txt"]


@pytest.mark.parametrize(
    "code",
    [
        '// include_str!("a.txt")',
        'const T: &str = "include_str!(\\"a.txt\\")";',
        'const T: &str = r#"include_str!("a.txt")"#;',
        'fn f() { include_str("a.txt"); }',
        'fn f() { include_dir!("a.txt"); }',
        'const T: &str = include_str!(concat!(env!("OUT_DIR"), "/a.txt"));',
        'const T: &str = include_str!(concat!("a", 1, ".txt"));',
    ],
)
def test_what_names_no_file(code: str, tmp_path: Path) -> None:
    write(tmp_path, a_txt="a")
    assert companions(tmp_path / "cell", code) == Companions()


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("cfg_if! { if #[cfg(unix)] { mod a; } else { mod b; } }", ["src/a.rs", "src/b.rs"]),
        ('#[cfg_attr(unix, path = "b.rs")] mod a;', ["src/a.rs", "src/b.rs"]),
        ('#[path = "b.rs"] mod a;', ["src/b.rs"]),
        ('mod a { #[path = "inner.rs"] mod x; }', ["src/a/inner.rs"]),
        ("mod a;\nmod c;", ["src/a.rs", "src/c.rs", "src/c/mod.rs"]),
        ("/* mod a; */ fn f() { let _ = mod_a; }", []),
        ('include!("a.rs");', ["src/a.rs"]),
    ],
)
def test_modules(code: str, files: list[str], tmp_path: Path) -> None:
    write(tmp_path, a_rs="", b_rs="", c_rs="", c__mod_rs="", a__inner_rs="")
    assert names(companions(tmp_path / "cell", code)) == files


def test_a_file_included_in_a_module_is_found_from_that_file(tmp_path: Path) -> None:
    write(tmp_path, deep__a_rs='include!("b.rs");', deep__b_rs="mod c;", deep__c_rs="")
    found = companions(tmp_path / "cell", '#[path = "deep/a.rs"] mod a;')
    assert names(found) == ["src/deep/a.rs", "src/deep/b.rs", "src/deep/c.rs"]


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, a_rs='include!("b.rs");', b_rs='include!("a.rs");')
    assert names(companions(tmp_path / "cell", 'include!("a.rs");')) == ["src/a.rs", "src/b.rs"]


def test_the_packages_folder_is_the_notebooks(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", project__src__x_rs="", project__a_txt="project")
    code = 'const T: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/a.txt"));'
    assert [(item.name, item.data) for item in companions(tmp_path / "cell", code).attached] == [("a.txt", b"a")]
    (tmp_path / "project" / "Cargo.toml").touch()
    cell = Cell(Options(file=str(tmp_path / "project" / "src" / "x.rs")), code)
    assert [(item.name, item.data) for item in companions_of(cell).attached] == [("a.txt", b"project")]


def test_an_absolute_path_is_read_in_place(tmp_path: Path) -> None:
    write(tmp_path, far__a_rs='const T: &str = include_str!("b.txt");', far__b_txt="b", home__x_txt="")
    far = (tmp_path / "far").as_posix()
    code = f'include!("{far}/a.rs");'
    found = companions(tmp_path / "home" / "cell", code)
    assert found.attached == ()
    assert {Path(path).name: len(sha256) for path, sha256 in found.digests.items()} == {"a.rs": 64, "b.txt": 64}


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (
            "pub fn f() {}\nmod helpr;",
            "Line 3 of the cell names the module `helpr`, but there is neither {0}helpr.rs nor {0}helpr/mod.rs.",
            "Did you mean helper.rs?",
        ),
        (
            "mod xyz;",
            "Line 2 of the cell names the module `xyz`, but there is neither {0}xyz.rs nor {0}xyz/mod.rs.",
            "Create one of them, or write the module in place: mod xyz {{ ... }}. Paths start at the notebook's folder.",
        ),
        (
            'const T: &str = include_str!("no/thing.txt");',
            "Line 2 of the cell names no/thing.txt, but there is no file {0}no/thing.txt.",
            "Create the file, or correct the path. Paths start at the notebook's folder.",
        ),
        ('include!("folder");', "Line 2 of the cell names folder, but there is no file {0}folder.", None),
        (
            '#[path = "/nowhere/at.rs"] mod at;',
            "Line 2 of the cell names /nowhere/at.rs, but there is no file /nowhere/at.rs.",
            "Create the file, or correct the path.",
        ),
        (
            "mod helper;",
            "{0}helper.rs:2 names the module `gone`, but there is neither {0}helper/gone.rs nor {0}helper/gone/mod.rs.",
            "Create one of them, or write the module in place: mod gone {{ ... }}.",
        ),
        (
            "mod b;\nmod a;",
            "Line 2 of the cell names the module `b`, but there is neither {0}b.rs nor {0}b/mod.rs.",
            None,
        ),
    ],
)
def test_a_missing_file(code: str, message: str, advice: str | None, tmp_path: Path) -> None:
    write(tmp_path, helper_rs="\nmod gone;", folder__x_txt="")
    with pytest.raises(CellError) as caught:
        companions_of(Cell(Options(folder=str(tmp_path)), code))
    assert caught.value.message == message.format(f"{tmp_path}{os.sep}")
    if advice is not None:
        assert caught.value.advice == advice.format()


@pytest.mark.parametrize(
    "code",
    [
        "#[cfg(windows)] mod gone;",
        "#[cfg(windows)] mod inner { mod gone; }",
        '#[cfg(windows)] const T: &str = include_str!("gone.txt");',
        '#![cfg(windows)] const T: &str = include_str!("gone.txt");',
        'macro_rules! unused { () => { include_str!("gone.txt") } }',
        'fn f() { println!("{}", stringify!(include_str!("gone.txt"))); }',
        "fn f() { mod gone; }",
    ],
)
def test_a_missing_file_that_may_not_be_needed_is_the_compilers_business(code: str, tmp_path: Path) -> None:
    found = companions(tmp_path / "cell", code)
    assert found.attached == ()
    assert set(found.digests.values()) == {""}


def test_what_lies_too_far_up(tmp_path: Path) -> None:
    write(tmp_path, far_txt="", home__inner__x_txt="")
    with pytest.raises(CellError, match=r"which is more than one folder above the code"):
        companions(tmp_path / "home" / "inner" / "cell", 'const T: &str = include_str!("../../far.txt");')


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("mod lib;", r"taken by the package's own src/lib\.rs"),
        ('const T: &str = include_str!("../Cargo.toml");', r"taken by the package's own Cargo\.toml"),
        ('const T: &str = include_str!("../cells/x.txt");', r"taken by the package's own cells/x\.txt"),
        (
            'fn f() { include_str!("../a.txt"); include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/a.txt")); }',
            r"taken by .*a\.txt",
        ),
    ],
)
def test_a_place_that_is_taken(code: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, home__lib_rs="", cells__x_txt="", a_txt="", home__a_txt="")
    (tmp_path / "Cargo.toml").touch()
    with pytest.raises(CellError, match=message):
        companions(tmp_path / "home" / "cell", code)


def test_a_large_file_is_read_at_run_time(tmp_path: Path) -> None:
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(CellError, match="which has 64 MB; a cell's files may have 64 MB each") as caught:
        companions(tmp_path / "cell", 'const B: &[u8] = include_bytes!("big.bin");')
    assert "std::fs::read" in caught.value.advice


def test_the_files_of_a_package_on_disk(tmp_path: Path) -> None:
    write(tmp_path, src__lib_rs="", src__helper_rs="", data_txt="", support__src__lib_rs="", cells__a__src__lib_rs="")
    (tmp_path / "Cargo.toml").touch()
    assert attached_files(tmp_path) == {
        "data.txt": tmp_path / "data.txt",
        "src/helper.rs": tmp_path / "src" / "helper.rs",
    }


def test_a_similar_name(tmp_path: Path) -> None:
    write(tmp_path, helper_rs="")
    assert nearest(tmp_path / "helpr.rs") == "Did you mean helper.rs?"
    assert nearest(tmp_path / "other.txt") == ""
    assert nearest(tmp_path / "missing" / "a.rs") == ""
