"""The archive itself: names, order, times, permissions, ``RECORD`` and ``WHEEL``."""

from __future__ import annotations

import csv
import io
import stat
import zipfile
from base64 import urlsafe_b64encode
from email.parser import BytesParser
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from pyo3magic._version import __version__
from pyo3magic.export.tags import Tag
from pyo3magic.export.wheel_file import read_wheel, wheel_bytes, wheel_text

if TYPE_CHECKING:
    from pathlib import Path

TAG = Tag("cp311", "cp311", "manylinux_2_17_x86_64.manylinux2014_x86_64")
FILES = {
    "a-1.dist-info/METADATA": b"Name: a\n",
    "a/a.cpython-311-x86_64-linux-gnu.so": b"\x7fELF" * 1000,
    "a/__init__.py": b"",
    "a.libs/libx.so.1": b"x",
    "a/b.pyd": b"",
    "a/c.dylib": b"",
    "a/d.dll": b"",
    "a/so.txt": b"text",
}


@pytest.fixture(autouse=True)
def no_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def archive(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


def test_the_wheel_file() -> None:
    facts = BytesParser().parsebytes(wheel_text(TAG))
    assert facts.items() == [
        ("Wheel-Version", "1.0"),
        ("Generator", f"pyo3magic {__version__}"),
        ("Root-Is-Purelib", "false"),
        ("Tag", "cp311-cp311-manylinux_2_17_x86_64"),
        ("Tag", "cp311-cp311-manylinux2014_x86_64"),
    ]
    assert wheel_text(TAG).endswith(b"_x86_64\n")


def test_the_same_content_gives_the_same_bytes_in_any_order() -> None:
    content = wheel_bytes("a-1", TAG, FILES)
    assert wheel_bytes("a-1", TAG, dict(reversed(FILES.items()))) == content


def test_the_metadata_comes_last_and_an_old_wheel_file_is_replaced() -> None:
    with archive(wheel_bytes("a-1", TAG, {**FILES, "a-1.dist-info/WHEEL": b"old"})) as read:
        assert read.namelist() == [
            "a.libs/libx.so.1",
            "a/__init__.py",
            "a/a.cpython-311-x86_64-linux-gnu.so",
            "a/b.pyd",
            "a/c.dylib",
            "a/d.dll",
            "a/so.txt",
            "a-1.dist-info/METADATA",
            "a-1.dist-info/WHEEL",
            "a-1.dist-info/RECORD",
        ]
        assert read.read("a-1.dist-info/WHEEL") == wheel_text(TAG)


def test_libraries_can_be_run_and_everything_is_a_plain_file_of_unix() -> None:
    with archive(wheel_bytes("a-1", TAG, FILES)) as read:
        for info in read.infolist():
            binary = info.filename.endswith((".so", ".pyd", ".so.1", ".dylib", ".dll"))
            assert info.external_attr >> 16 == stat.S_IFREG | (0o755 if binary else 0o644), info.filename
            assert info.create_system == 3


def test_times_are_those_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with archive(wheel_bytes("a-1", TAG, FILES)) as read:
        assert {info.date_time for info in read.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with archive(wheel_bytes("a-1", TAG, FILES)) as read:
        assert {info.date_time for info in read.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_files_are_compressed_unless_asked_otherwise() -> None:
    with archive(wheel_bytes("a-1", TAG, FILES)) as read:
        assert {info.compress_type for info in read.infolist()} == {zipfile.ZIP_DEFLATED}
    with archive(wheel_bytes("a-1", TAG, FILES, compress=False)) as read:
        assert {info.compress_type for info in read.infolist()} == {zipfile.ZIP_STORED}


def test_the_record_has_digest_and_size_of_every_file() -> None:
    with archive(wheel_bytes("a-1", TAG, FILES)) as read:
        rows = list(csv.reader(io.StringIO(read.read("a-1.dist-info/RECORD").decode())))
        expected = []
        for name in read.namelist()[:-1]:
            digest = urlsafe_b64encode(sha256(read.read(name)).digest()).rstrip(b"=").decode()
            expected.append([name, f"sha256={digest}", str(len(read.read(name)))])
    assert rows == [*expected, ["a-1.dist-info/RECORD", "", ""]]


def test_reading_gives_back_what_was_written_without_record_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(wheel_bytes("a-1", TAG, FILES))
    with zipfile.ZipFile(path, "a") as added:
        added.writestr("a/folder/", b"")
    assert read_wheel(path) == {**FILES, "a-1.dist-info/WHEEL": wheel_text(TAG)}
