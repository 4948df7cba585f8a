"""The link line of an extension module, per system."""

from __future__ import annotations

import dataclasses

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.link_args import extension_link_args

LOOKUP = ("-C", "link-arg=-undefined", "-C", "link-arg=dynamic_lookup")
MUSL = ("-C", "target-feature=-crt-static")
SIDE_MODULE = ("-C", "link-arg=-sSIDE_MODULE=2", "-C", "link-arg=-sWASM_BIGINT")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("x86_64-unknown-linux-gnu", ()),
        ("armv7-unknown-linux-gnueabihf", ()),
        ("aarch64-linux-android", ()),
        ("x86_64-unknown-freebsd", ()),
        ("x86_64-pc-windows-msvc", ()),
        ("x86_64-pc-windows-gnu", ()),
        ("x86_64-pc-windows-gnullvm", ()),
        ("aarch64-apple-ios", ()),
        ("aarch64-apple-darwin", LOOKUP),
        ("x86_64-apple-darwin", LOOKUP),
        ("x86_64-unknown-linux-musl", MUSL),
        ("armv7-unknown-linux-musleabihf", MUSL),
        ("wasm32-unknown-emscripten", SIDE_MODULE),
    ],
)
def test_extension_link_args(target: str, expected: tuple[str, ...]) -> None:
    assert extension_link_args(target, Interpreter.current()) == expected


def test_macos_install_name_is_the_file_python_imports() -> None:
    interpreter = dataclasses.replace(Interpreter.current(), ext_suffix=".cpython-312-darwin.so")
    arguments = extension_link_args("aarch64-apple-darwin", interpreter, module="geometry")
    assert arguments == (*LOOKUP, "-C", "link-arg=-Wl,-install_name,@rpath/geometry.cpython-312-darwin.so")


@pytest.mark.parametrize(
    ("rustc", "early"), [((1, 92, 0), True), ((1, 93, 0), False), ((1, 93), False), ((1, 95), False)]
)
def test_emscripten_before_stable_support(rustc: tuple[int, ...], early: bool) -> None:
    arguments = extension_link_args("wasm32-unknown-emscripten", Interpreter.current(), rustc=rustc)
    assert arguments == ((*(("-Z", "link-native-libraries=no") if early else ()), *SIDE_MODULE))
