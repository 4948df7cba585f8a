"""Frames of a websocket; `test_server` speaks through a real one."""

from __future__ import annotations

import pytest

from pyo3magic.remote.websocket_wire import _decoded


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 9999,
        b"{}",
        b'{"channel": 5}',
        b"\x00\x00\x00\x00",
        b"\xff" * 64,
        b"\x00\x00\x00\x01\xff\xff\xff\xff",
    ],
)
def test_frames_that_are_no_messages(data: bytes) -> None:
    assert _decoded(data) is None
