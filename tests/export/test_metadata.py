from __future__ import annotations

from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import ManifestError, OptionError
from pyo3magic.export.metadata import Metadata, MetadataOptions
from pyo3magic.export.metadata_rules import cargo_version, normalised
from pyo3magic.export.metadata_sources import make_metadata

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = MetadataOptions()


def make(options: MetadataOptions = NOTHING, front: dict[str, Any] | None = None, **more: Any) -> Metadata:
    return make_metadata(options, front or {}, module="geometry", **more)


@pytest.mark.parametrize("name", ["a", "A1", "my-package", "my.pack_age", "0day"])
def test_valid_names(name: Any) -> None:
    assert make(MetadataOptions(name=name)).name == name


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("my package", "my-package"),
        ("-x-", "x"),
        ("größe", "gr-e"),
        ("?", "my-package"),
        ("json", "rust-json"),
        ("a/b", "a-b"),
    ],
)
def test_invalid_names_come_with_the_nearest_valid_one(name: Any, nearest: Any) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(name=name))
    assert name in raised.value.message
    assert raised.value.advice.endswith(f"--name {nearest}")
    make(MetadataOptions(name=nearest))


@pytest.mark.parametrize(
    ("given", "normal"), [("1", "1"), ("v1.2", "1.2"), ("1.0-alpha.1", "1.0a1"), ("1.0.post1", "1.0.post1")]
)
def test_valid_versions(given: Any, normal: Any) -> None:
    assert make(MetadataOptions(version=given)).version == normal


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("1.x", "1"),
        ("1.2-snapshot", "1.2.dev0"),
        ("one", "0.1.0"),
        ("1,2", "1.2"),
        ("1.0+local", "1.0"),
        ("2024-01_beta9_x", "2024.1b9"),
        ("1.0-preview.x", "1.0rc0"),
    ],
)
def test_invalid_versions_come_with_the_nearest_valid_one(given: Any, nearest: Any) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(version=given))
    assert given in raised.value.message
    assert raised.value.advice.endswith(f"--version {nearest}")
    assert raised.value.__context__ is None, "IPython shows a traceback for errors in the context of a group"
    make(MetadataOptions(version=nearest))


@pytest.mark.parametrize(
    ("version", "cargo"),
    [
        ("1", "1.0.0"),
        ("1.2", "1.2.0"),
        ("1.2.3a1", "1.2.3-alpha.1"),
        ("1.0rc2.dev3", "1.0.0-rc.2.dev.3"),
        ("1.0.post1", "1.0.0+post.1"),
        ("1.2.3.4", "1.2.3+4"),
    ],
)
def test_cargo_versions(version: Any, cargo: Any) -> None:
    assert cargo_version(version) == cargo


@pytest.mark.parametrize(
    ("given", "normal"),
    [("mit", "MIT"), ("MIT/Apache-2.0", "MIT OR Apache-2.0"), ("", ""), ("LicenseRef-Mine", "LicenseRef-Mine")],
)
def test_licences(given: Any, normal: Any) -> None:
    assert make(MetadataOptions(license=given)).license == normal


@pytest.mark.parametrize(
    ("given", "near"), [("MIT License", "MIT"), ("GPL", "GPL-3.0-or-later"), ("Apache2", "Apache-2.0")]
)
def test_unknown_licences_come_with_a_near_one(given: Any, near: Any) -> None:
    with pytest.raises(OptionError, match=f"--license '{near}'"):
        make(MetadataOptions(license=given))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"requires_python": "3.10"}, ">=3.10"),
        ({"summary": "a\nb"}, "one line"),
        ({"classifiers": ("Development Status :: Beta",)}, "Development Status :: 4 - Beta"),
        ({"classifiers": ("License :: OSI Approved :: MIT License",)}, "--license"),
        ({"authors": ("<>",)}, "Name <name@example.org>"),
        ({"readme": "missing.md"}, "cannot be read"),
        ({"readme": "readme.docx"}, "Use .md"),
    ],
)
def test_invalid_values(options: Any, words: Any) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(**options))
    assert words in str(raised.value)


def test_options_outweigh_tool_table_package_table_and_setting() -> None:
    front = {
        "package": {"name": "from-package", "version": "0.2.0-beta.1", "description": "package", "license": "MIT"},
        "tool": {"pyo3magic": {"name": "from-tool", "summary": "tool", "keywords": ["a", "b"]}},
    }
    found = make(
        MetadataOptions(summary="option"), front, defaults={"name": "from-setting", "authors": ["Ada <a@b.org>"]}
    )
    assert (found.name, found.version, found.summary, found.license) == ("from-tool", "0.2.0b1", "option", "MIT")
    assert found.authors == (("Ada", "a@b.org"),)
    assert found.keywords == ("a", "b")


def test_the_setting_is_outweighed_by_the_package_table() -> None:
    defaults = {"version": "9", "author": "Setting", "urls": {"Homepage": "https://a.org", "Docs": "https://d.org"}}
    package = {"version": "0.2.0-rc.1", "authors": ["Ada"], "homepage": "https://b.org", "license": ""}
    found = make(MetadataOptions(classifiers=("Private :: b",)), {"package": package}, defaults=defaults)
    assert (found.version, found.authors) == ("0.2.0rc1", (("Ada", ""),))
    assert dict(found.urls) == {"Homepage": "https://b.org", "Docs": "https://d.org"}
    assert make(defaults={"author": "Ada <a@b.org>", "version": "2"}).authors == (("Ada", "a@b.org"),)


def test_classifiers_add_up() -> None:
    tool = {"tool": {"pyo3magic": {"classifiers": ["Private :: a"]}}}
    assert make(MetadataOptions(classifiers=("Private :: b",)), tool).classifiers[:2] == (
        "Private :: a",
        "Private :: b",
    )


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ({"tool": {"pyo3magic": {"sumary": "x"}}}, "Did you mean 'summary'"),
        ({"package": "x"}, "table"),
        ({"tool": {"pyo3magic": 1}}, "table"),
    ],
)
def test_wrong_front_matter(front: Any, words: Any) -> None:
    with pytest.raises(ManifestError) as raised:
        make(front=front)
    assert words in str(raised.value)


def test_core_metadata_is_what_the_specification_says() -> None:
    options = MetadataOptions(
        version="1.0",
        license="MIT OR Apache-2.0",
        authors=("Ada", "Grace <g@example.org>", "j.r. <j@example.org>"),
        summary="Größe",
    )
    found = make(options, crates={"numpy"}, docs="About points.\n\nMore.")
    message = BytesParser().parsebytes(found.text(more_license_files=["third-party/x-1/LICENSE"]))
    assert message["Metadata-Version"] == "2.4"
    assert message["Name"] == "geometry"
    assert message["License-Expression"] == "MIT OR Apache-2.0"
    assert message.get_all("License-File") == ["LICENSE-MIT", "LICENSE-APACHE", "third-party/x-1/LICENSE"]
    assert message["Author"] == "Ada"
    assert message["Author-email"] == 'Grace <g@example.org>, "j.r." <j@example.org>'
    assert message.get_all("Requires-Dist") == ["numpy"]
    assert message["Requires-Python"] == ">=3.10"
    assert message["Description-Content-Type"] == "text/markdown"
    assert "About points." in message.get_payload()
    assert "Ada" in dict(found.license_files)["LICENSE-MIT"]


def test_a_summary_and_readme_come_from_the_documentation(tmp_path: Path) -> None:
    assert make(docs="# Points\nof the plane.\n\nMore.").summary == "Points of the plane."
    (tmp_path / "README.rst").write_text("Points\n======\n", encoding="utf-8")
    found = make(MetadataOptions(readme="README.rst"), directory=tmp_path)
    assert (found.readme_type, found.readme) == ("text/x-rst", "Points\n======\n")


def test_file_names_are_normalised() -> None:
    assert normalised("My.Pack-age__x") == "my_pack_age_x"
    assert make(MetadataOptions(name="My.Pack", version="1.0-rc1")).file_stem == "my_pack-1.0rc1"
