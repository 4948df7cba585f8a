import pytest

from pyo3magic.compile.hints import rustc_hints as hints
from pyo3magic.diagnostics import Diagnostic


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("E0433", "cannot find module or crate `rand` in this scope", "add it: `%%rust -d rand`"),
        ("E0432", "unresolved import: use of unresolved module or unlinked crate `serde_json`", "-d serde_json"),
        ("E0463", "can't find crate for `rayon`", "add it: `%%rust -d rayon`"),
        (
            "E0463",
            "can't find crate for `std`\n = note: the `wasm32-wasip1` target may not be installed",
            "rustup target add wasm32-wasip1",
        ),
        ("E0433", "cannot find module or crate `Foo` in this scope", None),
        (
            "E0433",
            "cannot find module or crate `hashmp` in this scope\nhelp: a module with a similar name exists",
            None,
        ),
        ("E0432", "unresolved import `crate::nope`\ncould not find `nope` in the crate root", None),
        ("E0603", "struct `Point` is private", "if `Point` is in another cell, write `pub struct Point` there"),
        ("E0603", "unit struct `Unit` is private", "write `pub struct Unit` there"),
        ("E0603", "function `area` is private", "write `pub fn area` there"),
        ("E0603", "constant `SIZE` is private", "write `pub const SIZE` there"),
        ("E0603", "module `inner` is private", None),
        ("E0382", "borrow of moved value: `v`", None),
    ],
)
def test_missing_crates(code: str | None, message: str, hint: str | None) -> None:
    found = hints.hint_for(Diagnostic("error", message.split("\n", maxsplit=1)[0], code, rendered=message))
    if hint is None:
        assert found is None
    else:
        assert found is not None
        assert hint in found


def test_no_hint_for_warnings() -> None:
    assert hints.hint_for(Diagnostic("warning", "cannot find type `PyObject` in this scope")) is None
