"""Records that are not believed unless they are what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pyo3magic.store.records import pack_record, sealed, unpack_record, unsealed


def test_what_is_packed_is_unpacked() -> None:
    record = {"text": "ä€\udc80", "path": Path("/x/ä"), "pair": ("a", 1), "none": None}
    packed = pack_record(record)
    assert unpack_record(packed) == {"text": "ä€\udc80", "path": "/x/ä", "pair": ["a", 1], "none": None}
    digest, data = packed.split(b"\n")
    assert digest.decode() == hashlib.sha256(data).hexdigest()
    assert "ä€".encode() in data


@pytest.mark.parametrize("content", [b"", b"{}", b"\n", b"\n{}", pack_record({"a": 1})[:-1], b"x" + pack_record({})])
def test_what_has_changed_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not what was written"):
        unpack_record(content)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        unpack_record(hashlib.sha256(b"").hexdigest().encode() + b"\n")


def test_a_sealed_text_comes_back_unless_it_has_changed() -> None:
    text = 'version = 4\n# sha256: no\n[[package]]\nname = "pyo3"\n'
    whole = sealed(text)
    assert unsealed(whole) == text
    assert unsealed(sealed("")) == ""
    for changed in ("", text, whole[:-1], whole[1:], whole.replace("pyo3", "pyo4"), f"{whole}\n"):
        assert unsealed(changed) is None
