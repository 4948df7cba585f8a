from __future__ import annotations

from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import ManifestError, OptionError
from pyo3magic.export.metadata import Metadata, MetadataOptions
from pyo3magic.export.metadata_rules import cargo_version, normalised, oldest_python, python_version
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
        ("1.2.3.4.5.post6", "1.2.3+post.6.4.5"),
        ("1.2.3b2", "1.2.3-beta.2"),
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
        ({"readme": "missing.md"}, "The readme "),
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
        ({"package": "x"}, "[package] in the front matter has to be a table"),
        ({"tool": {"pyo3magic": 1}}, "[tool.pyo3magic] in the front matter has to be a table"),
        ({"tool": 1}, "[tool] in the front matter has to be a table"),
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


@pytest.mark.parametrize("name", ["json", "JSON", "requirements.txt", "rrequirements_txt", "None", "NULL"])
def test_names_that_pypi_refuses(name: str) -> None:
    with pytest.raises(OptionError, match="PyPI refuses") as raised:
        make(MetadataOptions(name=name))
    assert raised.value.advice == f"For example: --name rust-{name.lower()}"


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("1.0-alpha.x", "1.0a0"),
        ("1.0 beta 2 x", "1.0b2"),
        ("1.0pre3x", "1.0rc3"),
        ("1.0 snapshot", "1.0.dev0"),
        ("1.0 dev 7 x", "1.0.dev7"),
        ("release candidate 1.0 rc 4 x", "1.0rc4"),
        ("v1.2_3-x", "1.2.3"),
        ("rc", "0.1.0"),
    ],
)
def test_the_nearest_version(given: str, nearest: str) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(version=given))
    assert str(raised.value) == f"{given!r} is not a valid version (PEP 440).\nFor example: --version {nearest}"


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("The MIT License", "MIT"),
        ("BSD", "BSD-3-Clause"),
        ("The BSD License", "BSD-3-Clause"),
        ("Software of the Apaches", "MIT"),
        ("the Apache software licence", "Apache-2.0"),
        ("gpl 3", "GPL-3.0-or-later"),
        ("apache 2", "Apache-2.0"),
        ("Zlibb", "Zlib"),
        ("??", "MIT"),
    ],
)
def test_the_nearest_licence(given: str, near: str) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(license=given))
    assert raised.value.message == f"{given!r} is not a valid SPDX licence expression (PEP 639)."
    assert raised.value.advice == (
        f"For example: --license {near!r}, or LicenseRef-Proprietary for a licence of your own."
    )


def test_a_local_version_and_a_requirement_with_a_url() -> None:
    with pytest.raises(OptionError, match=r"'1\.0\+local' has a local part .*\nFor example: --version 1\.0$"):
        make(MetadataOptions(version="1.0+local"))
    tool = {"tool": {"pyo3magic": {"dependencies": ["a @ https://example.org/a.zip"]}}}
    with pytest.raises(OptionError, match=r"PyPI refuses the requirement .a @ https://example\.org/a\.zip."):
        make(front=tool)
    with pytest.raises(OptionError, match=r"'b \?\?' is invalid for 'requires-dist'.*\n.*numpy>=1\.26"):
        make(front={"tool": {"pyo3magic": {"dependencies": ["b ??"]}}})


def test_the_longest_summary() -> None:
    assert make(MetadataOptions(summary="x" * 512)).summary == "x" * 512
    with pytest.raises(OptionError, match="more than 512 characters"):
        make(MetadataOptions(summary="x" * 513))
    assert make(docs="x" * 512).summary == "x" * 512
    assert not make(docs="x" * 513).summary


@pytest.mark.parametrize(("specifier", "nearest"), [("3", ">=3"), ("python 3.12 or so", ">=3.12"), ("new", ">=3.10")])
def test_the_nearest_specifier(specifier: str, nearest: str) -> None:
    with pytest.raises(OptionError) as raised:
        make(MetadataOptions(requires_python=specifier))
    assert raised.value.message == f"{specifier!r} is not a valid specifier of Python versions (PEP 440)."
    assert raised.value.advice == f"For example: --requires-python '{nearest}'"


def test_classifiers() -> None:
    with pytest.raises(OptionError) as near:
        make(MetadataOptions(classifiers=("Topic :: Scientific/Enginering",)))
    assert near.value.advice == "Did you mean 'Topic :: Scientific/Engineering'?"
    with pytest.raises(OptionError) as far:
        make(MetadataOptions(classifiers=("#",)))
    assert far.value.advice == "They are listed at pypi.org/classifiers."
    implied = ("Programming Language :: Python :: 3", "Programming Language :: Rust")
    assert make().classifiers == implied
    assert make(MetadataOptions(classifiers=("Programming Language :: Rust",))).classifiers == implied[::-1]


@pytest.mark.parametrize(
    ("cargo", "version"),
    [
        ("1.0.0", "1.0.0"),
        ("0.2.0-beta.1", "0.2.0b1"),
        ("0.2.0-alpha", "0.2.0a0"),
        ("1.2.3-dev.4", "1.2.3.dev4"),
        ("1.2.3+build", "1.2.3"),
        ("1.2.3-4+build", "1.2.3.post4"),
        ("1.2.3-weird.x", "1.2.3"),
    ],
)
def test_python_versions(cargo: str, version: str) -> None:
    assert python_version(cargo) == version


@pytest.mark.parametrize(
    ("specifier", "oldest"), [(">=3.11", 11), (">3.9,<3.12", 9), ("", 0), ("<3", 0), ("==3.12.*", 12), (">=3.11.5", 11)]
)
def test_the_oldest_python(specifier: str, oldest: int) -> None:
    assert oldest_python(specifier) == (3, oldest)


def test_the_whole_metadata_file() -> None:
    front = {
        "package": {"homepage": "https://h.org", "repository": "https://r.org", "documentation": "https://d.org"},
        "tool": {
            "pyo3magic": {
                "keywords": ["a", "b"],
                "dependencies": ["numpy >= 1.26"],
                "urls": {"Issues": "https://i.org"},
            }
        },
    }
    options = MetadataOptions(
        version="v1.0",
        license="mit",
        summary="Points",
        authors=("Ada", "Bob", "Grace, Admiral <g@example.org>", "x@example.org"),
    )
    assert make(options, front, docs="Docs.").text().decode() == (
        "Metadata-Version: 2.4\n"
        "Name: geometry\n"
        "Version: 1.0\n"
        "Summary: Points\n"
        "Description-Content-Type: text/markdown\n"
        "Keywords: a,b\n"
        "Author: Ada, Bob\n"
        'Author-email: "Grace, Admiral" <g@example.org>, x@example.org\n'
        "License-Expression: MIT\n"
        "License-File: LICENSE\n"
        "Classifier: Programming Language :: Python :: 3\n"
        "Classifier: Programming Language :: Rust\n"
        "Requires-Dist: numpy>=1.26\n"
        "Requires-Python: >=3.10\n"
        "Project-URL: Homepage, https://h.org\n"
        "Project-URL: Repository, https://r.org\n"
        "Project-URL: Documentation, https://d.org\n"
        "Project-URL: Issues, https://i.org\n"
        "\n"
        "Docs.\n"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.md", "text/markdown"), ("a.RST", "text/x-rst"), ("a.txt", "text/plain"), ("README", "text/plain")],
)
def test_readmes(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Größe\n", encoding="utf-8")
    found = make(MetadataOptions(readme=name), directory=tmp_path)
    assert (found.readme, found.readme_type) == ("Größe\n", kind)
    assert f"Description-Content-Type: {kind}\n" in found.text().decode()


def test_without_documentation_the_readme_says_how_to_install() -> None:
    found = make(MetadataOptions(name="My-Pack", summary="Points"))
    assert found.readme == (
        "# My-Pack\n\nPoints\n\nA Python extension module written in Rust with PyO3.\n\n"
        "```sh\npip install My-Pack\n```\n\n```python\nimport geometry\n```\n"
    )
    assert make().readme.startswith("# geometry\n\nA Python")
    assert make(front={"package": {"readme": True}}, docs="Docs.").readme == "Docs.\n"


def test_licence_files(tmp_path: Path) -> None:
    (tmp_path / "legal").mkdir()
    (tmp_path / "legal" / "MINE").write_text("mine")
    tool = {"tool": {"pyo3magic": {"license-files": ["legal/MINE"], "license": "MIT"}}}
    assert make(front=tool, directory=tmp_path).license_files == (("MINE", "mine"),)
    with pytest.raises(OptionError, match=r"The licence file .*MINE cannot be read: No such file"):
        make(front=tool)
    assert [name for name, _ in make(MetadataOptions(license="(MIT OR BSD-3-Clause) AND Zlib")).license_files] == [
        "LICENSE-MIT",
        "LICENSE-BSD",
    ]
    assert "the authors" in make(MetadataOptions(license="MIT")).license_files[0][1]
    both = MetadataOptions(license="MIT", authors=("Ada <a@b.org>", "x@b.org"))
    assert "Ada, x@b.org" in make(both).license_files[0][1]
    assert make(MetadataOptions(license="Zlib")).license_files == ()


def test_requirements_of_crates_and_of_cells() -> None:
    tool = {"tool": {"pyo3magic": {"dependencies": ["Numpy>=2", "attrs"]}}}
    assert make(front=tool, crates={"numpy", "serde"}).dependencies == ("attrs", "Numpy>=2")
    assert make(crates={"numpy", "serde"}).dependencies == ("numpy",)
    assert make(crates={"serde"}).dependencies == ()


def test_the_oldest_python_of_the_build_is_required_unless_said_otherwise() -> None:
    assert make(minimum_python=(3, 12)).requires_python == ">=3.12"
    assert make(MetadataOptions(requires_python=">=3.11, <4"), minimum_python=(3, 12)).requires_python == "<4,>=3.11"


def test_keys_with_two_names(tmp_path: Path) -> None:
    (tmp_path / "MINE").write_text("mine")
    table = {"description": "Points", "author": "Ada", "license-file": "MINE"}
    for found in (
        make(front={"tool": {"pyo3magic": table}}, directory=tmp_path),
        make(defaults=table, directory=tmp_path),
    ):
        assert (found.summary, found.authors, found.license_files) == ("Points", (("Ada", ""),), (("MINE", "mine"),))


def test_a_version_of_cargo_loses_what_python_cannot_say() -> None:
    assert make(front={"package": {"version": "1.2.3+build"}}).version == "1.2.3"


def test_an_author_without_a_name() -> None:
    assert make(MetadataOptions(authors=("<x@example.org>",))).authors == (("", "x@example.org"),)


def test_documentation_is_markdown() -> None:
    assert make(docs="Docs.").readme_type == make().readme_type == "text/markdown"
