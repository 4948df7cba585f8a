"""Files with their digest in a line of its own, which reveals damage: records in JSON, and TOML texts."""

from __future__ import annotations

import hashlib
import json
import os

__all__ = ["pack_record", "sealed", "unpack_record", "unsealed"]

_SEAL = "# sha256: "


def pack_record(record: dict[str, object]) -> bytes:
    """Return the content of a record's file; paths are stored as text."""
    data = json.dumps(record, ensure_ascii=False, default=os.fspath).encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unpack_record(content: bytes) -> object:
    """Return the value in a record's file.

    Raises:
        ValueError: the content is not from `pack_record`, or has changed.
    """
    digest, _, data = content.partition(b"\n")
    if hashlib.sha256(data).hexdigest().encode() != digest:
        raise ValueError("the record is not what was written")
    return json.loads(data.decode("utf-8", "surrogatepass"))


def sealed(text: str) -> str:
    """Return a TOML text with a comment as its last line: the digest of the lines above."""
    return f"{text}{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}"


def unsealed(text: str) -> str | None:
    """Return the text that `sealed` was given; None if the text is not from `sealed`, or has changed."""
    content, _, digest = text.rpartition(_SEAL)
    return content if hashlib.sha256(content.encode()).hexdigest() == digest else None
