"""Places in Rust source that name other files; `test_companions` reads the files."""

from __future__ import annotations

from pathlib import Path

from pyo3magic.crate.named_files import RustSource, absolute_paths, named_files


def found(code: str) -> list[tuple[str, bool]]:
    source = RustSource(Path("/x/cell"), code.encode(), Path("/x"), is_first=True)
    return [(named.what, named.is_certain) for named in named_files(source, Path("/x"))]


def test_absolute_paths() -> None:
    assert absolute_paths(b'include!("/far/a.rs"); include_str!("b.txt");') == ("/far/a.rs",)
    assert absolute_paths(b'include!("a.rs");') == ()


def test_code_around_a_name_does_not_hide_it() -> None:
    code = (
        'fn a() { if b { match c { _ => { include_str!(/* d */ "e"); } } } } // mod f;\n'
        '#[cfg(g)] /* h */ #[path = "i"] mod j; m! { mod k; } mod l { fn model() {} mod m; }'
    )
    assert sorted(found(code)) == [("e", True), ("i", False), ("k", False), ("m", True)]


def test_a_folder_deeper_than_any_path_has_no_files() -> None:
    assert found("mod a {" * 3000 + "mod x;" + "}" * 3000) == []
    assert found("mod a {" * 300 + "mod x;" + "}" * 300) == [("x", True)]
