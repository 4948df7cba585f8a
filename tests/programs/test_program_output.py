"""A program's output: shown as it comes, bounded, whole in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyo3magic.crate.file_names import Names
from pyo3magic.errors import ProgramFailed
from pyo3magic.programs.program_output import SHOWN, Output

if TYPE_CHECKING:
    from pathlib import Path


def test_short_output_is_shown_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(tmp_path / "out.txt", Names("In[3]"))
    output.take(0, "grün\npart".encode())
    output.take(1, b"panicked at src/lib.rs:5:9:\n")
    output.take(0, b"ial\n")
    assert output.finish() == ""
    assert capsys.readouterr() == ("grün\npartial\n", "panicked at In[3]:5:9:\n")
    assert not (tmp_path / "out.txt").exists()


def test_a_line_that_has_not_ended_is_shown_when_nothing_more_comes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(tmp_path / "out.txt", Names("In[3]"))
    output.take(0, b"password? ")
    output.idle()
    assert capsys.readouterr().out == "password? "
    output.finish()


def test_characters_split_between_pieces_are_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(tmp_path / "out.txt", Names("In[3]"))
    for byte in "…é\n".encode():
        output.take(0, bytes([byte]))
    output.finish()
    assert capsys.readouterr().out == "…é\n"


@pytest.mark.parametrize("piece", [b"a line\n", b"x" * 1000], ids=["lines", "one line"])
def test_a_flood_is_bounded_and_whole_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], piece: bytes
) -> None:
    output = Output(tmp_path / "out.txt", Names("In[3]"))
    count = 400_000 // len(piece)
    for _ in range(count):
        output.take(0, piece)
    output.take(0, b"\nthe end\n")
    remark = output.finish()
    shown = capsys.readouterr().out
    assert len(shown) < SHOWN + 5000
    assert "left out" in shown
    hidden = int(remark.partition(", with ")[2].split()[0])
    assert hidden + shown.count("\n") - len("\n\n") == piece.count(b"\n") * count + 2, "each line is shown or counted"
    assert shown.endswith("the end\n")
    assert str(tmp_path / "out.txt") in remark
    assert (tmp_path / "out.txt").read_bytes() == piece * count + b"\nthe end\n"


def test_more_than_can_be_kept_ends_the_program(tmp_path: Path) -> None:
    output = Output(tmp_path / "out.txt", Names("In[3]"), limit=1000)
    with pytest.raises(ProgramFailed, match=r"wrote more than 1\.0 kB"):
        for _ in range(300):
            output.take(0, b"abcd")
    output.finish()
    assert (tmp_path / "out.txt").read_bytes() == b"abcd" * 250
