from __future__ import annotations

from pyo3magic.cell.syntax import analyse, encode


def test_inner_attributes() -> None:
    source = (
        "//! One é.\r\n//!   two\r\n#![allow(\n  dead_code, // why\n  unused\n)]\r\n/*!\n * three\n */\n"
        '#![doc = "fo\\u{fc}r\n"] #![doc(hidden)]\nfn f() { #![allow(unused)] }\n//! late\n'
    )
    syntax = analyse(source)
    assert [attribute.text for attribute in syntax.inner_attributes] == [
        '#![doc = "One é."]',
        '#![doc = "  two"]',
        "#![allow( dead_code, unused )]",
        '#![doc = "three"]',
        '#![doc = "foür\\n"]',
        "#![doc(hidden)]",
    ]
    assert syntax.docs == "One é.\n  two\nthree\nfoür"
    first = syntax.inner_attributes[0]
    assert encode(source)[first.start : first.end].decode() == "//! One é."


def test_forbidden_lints() -> None:
    source = "#![forbid(unused, unsafe_code)]\n#![deny(missing_docs)]\nfn f() { #![forbid(dead_code)] }"
    assert analyse(source).forbidden == {"unused", "unsafe_code"}
    assert analyse(source).denies_missing_docs
