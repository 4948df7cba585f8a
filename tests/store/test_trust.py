"""Who else can change a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.store.trust import is_trusted, weak_parent

if TYPE_CHECKING:
    from pathlib import Path

grp = pytest.importorskip("grp", reason="owners and groups are POSIX's")
pwd = pytest.importorskip("pwd")

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
_FOREIGN = 12345


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder whose path nobody else can change."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    return folder


@as_root
@pytest.mark.parametrize(
    ("mode", "owner", "group", "said"),
    [
        (0o755, 0, 0, ""),
        (0o775, 0, 0, ""),
        (0o775, 0, _FOREIGN, "can be changed by its group (gid 12345)"),
        (0o757, 0, 0, "can be changed by every user"),
        (0o1777, 0, _FOREIGN, ""),
        (0o755, _FOREIGN, 0, "belongs to another user (uid 12345)"),
        (0o1755, _FOREIGN, 0, "belongs to another user (uid 12345)"),
    ],
)
def test_a_parent_that_others_can_change(shared: Path, mode: int, owner: int, group: int, said: str) -> None:
    (shared / "store").mkdir()
    os.chown(shared, owner, group)
    shared.chmod(mode)
    weak = weak_parent(shared / "store")
    assert (weak[1] if weak else "") == said
    assert is_trusted(shared / "store") is (not said)
    if weak is not None:
        assert weak[0] == shared
        assert weak[2].endswith(str(shared))


@as_root
def test_a_group_of_which_another_user_is_a_member(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shared / "store").mkdir()
    shared.chmod(0o775)
    group, other = grp.getgrgid(0), pwd.struct_passwd(("ada", "x", 7, 0, "", "/", "/"))
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((group.gr_name, "x", 0, ["root", "ada"])))
    assert weak_parent(shared / "store") is not None
    monkeypatch.setattr(grp, "getgrgid", lambda _: group)
    assert weak_parent(shared / "store") is None
    monkeypatch.setattr(pwd, "getpwall", lambda: [other])
    assert weak_parent(shared / "store") is not None


def test_both_sides_of_a_link_count(shared: Path, tmp_path: Path) -> None:
    (shared / "store").mkdir()
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    (loose / "link").symlink_to(shared / "store")
    assert is_trusted(shared / "store")
    assert not is_trusted(loose / "link")
    (shared / "link").symlink_to(loose)
    (loose / "store").mkdir()
    assert not is_trusted(shared / "link" / "store")


def test_nothing_is_not_trusted(tmp_path: Path) -> None:
    assert not is_trusted(tmp_path / "absent")
