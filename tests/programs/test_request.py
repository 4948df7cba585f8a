"""Options of the first line, and which cannot be combined."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.programs.request import Request, requested

_NONE: dict[str, Any] = {
    "bin": False,
    "test": None,
    "doc": False,
    "emit": None,
    "profile_build": False,
    "force": False,
    "python": "",
    "target": "",
    "on": "",
    "crate": None,
}


@pytest.mark.parametrize(
    ("options", "arguments", "request_"),
    [
        ({}, (), None),
        ({"bin": True}, ("a",), Request("bin", arguments=("a",))),
        ({"test": ""}, (), Request("test")),
        ({"test": "norm", "doc": True}, (), Request("test", filter="norm", doc=True)),
        ({"emit": ["asm"]}, (), Request("emit", kind="asm")),
        ({"emit": ["mir", "f"]}, (), Request("emit", kind="mir", function="f")),
        ({"profile_build": True, "force": True}, (), Request("timings", force=True)),
    ],
)
def test_what_is_asked_for(options: dict[str, Any], arguments: tuple[str, ...], request_: Request | None) -> None:
    assert requested(Namespace(**{**_NONE, **options}), arguments) == request_


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({"bin": True, "test": ""}, (), "--bin and --test cannot be combined"),
        ({"doc": True}, (), "--doc needs --test"),
        ({}, ("a",), r"Arguments after -- \(a\) need --bin or --test"),
        ({"emit": ["asm"]}, ("a",), r"Arguments after -- \(a\) need --bin or --test"),
        ({"emit": ["wasm"]}, (), "cannot show 'wasm'"),
        ({"emit": ["asm", "f", "g"]}, (), "takes one function, not 2"),
        ({"bin": True, "python": "python3"}, (), "--python cannot be combined with --bin"),
        ({"test": "", "target": "aarch64-unknown-linux-gnu"}, (), "--target cannot be combined with --test"),
        ({"emit": ["asm"], "crate": "folder"}, (), "--crate cannot be combined with --emit"),
    ],
)
def test_what_contradicts_itself(options: dict[str, Any], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        requested(Namespace(**{**_NONE, **options}), arguments)
