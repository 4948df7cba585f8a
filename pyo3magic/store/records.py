"""Records: JSON preceded by a line with its digest, which reveals a damaged or edited file."""

from __future__ import annotations

import hashlib
import json
import os

__all__ = ["pack_record", "unpack_record"]


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
