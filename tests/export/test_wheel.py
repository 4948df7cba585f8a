from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from email.parser import BytesParser
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.context import Context, gather
from pyo3magic.errors import BuildError, CompileError, OptionError, PyO3MagicError, ToolchainError
from pyo3magic.export.audit import audit_abi3, audit_linux, forbidding_symbols
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.export.tags import Tag, parse_platform
from pyo3magic.export.wheel import Wheel, make_wheel

from .conftest import GEOMETRY, METADATA, Builder, Exporter, listed, pythons

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.cargo
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="auditwheel is for Linux")

USE_GEOMETRY = (
    "import geometry, math\n"
    "p = geometry.Point(3.0, y=4.0)\n"
    "assert p.length() == 5.0 and geometry.double(2.0) == 4.0 and geometry.DIMENSIONS == 2\n"
    "assert repr(geometry.mirrored(p)) == 'Point(-3, -4)'\n"
    "assert geometry.__doc__.startswith('Geometry in the plane.')\n"
    "try: geometry.mirrored(geometry.Point(math.nan))\n"
    "except geometry.GeometryError as error: assert isinstance(error, ValueError)\n"
    "else: raise AssertionError\n"
    "print(geometry.__file__)\n"
)


@pytest.fixture(scope="module")
def wheel(context: Context, export: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_wheel(context, export("geometry"), tmp_path_factory.mktemp("dist"))


def contents(path: Any) -> Any:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@LINUX
def test_the_wheel_is_installed_and_used_in_a_fresh_environment(
    wheel: Wheel, environment_of: Callable[..., Path], say: Callable[..., str]
) -> None:
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", wheel.path)
    assert "site-packages" in say(python, "-c", USE_GEOMETRY)
    shown = say(python, "-m", "pip", "show", "--files", "geometry")
    assert "Points of the plane" in shown
    assert re.search(r"License(-Expression)?: MIT", shown) or sys.version_info < (3, 12)


@LINUX
def test_the_tag_is_what_auditwheel_says(wheel: Wheel, say: Callable[..., str]) -> None:
    assert re.fullmatch(r"cp3\d+-cp3\d+t?-manylinux_2_\d+_\w+(\.\w+)*", str(wheel.tag))
    shown = json.loads(say(sys.executable, "-m", "auditwheel", "show", "--json", wheel.path))
    assert shown["overall_tag"] == wheel.tag.platform.split(".")[0]
    assert f"glibc {'.'.join(wheel.tag.platform.split('_')[1:3])} or newer" in wheel.tag.words()


def test_checks_of_others_pass(wheel: Wheel, say: Callable[..., str]) -> None:
    say(sys.executable, "-m", "twine", "check", "--strict", wheel.path)
    assert "OK" in say(sys.executable, "-m", "check_wheel_contents", wheel.path)


def test_record_and_wheel_file_follow_the_specification(wheel: Wheel) -> None:
    files = contents(wheel.path)
    info = "geometry-1.2.dist-info"
    rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    assert {name for name, _, _ in rows} == set(files)
    for name, digest, size in rows[:-1]:
        expected = urlsafe_b64encode(sha256(files[name]).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={expected}", str(len(files[name])))
    assert rows[-1] == [f"{info}/RECORD", "", ""]
    facts = BytesParser().parsebytes(files[f"{info}/WHEEL"])
    assert facts["Root-Is-Purelib"] == "false"
    assert facts.get_all("Tag") == wheel.tag.lines()
    metadata = BytesParser().parsebytes(files[f"{info}/METADATA"])
    assert metadata["Metadata-Version"] == "2.4"
    for name in metadata.get_all("License-File", []):
        assert files[f"{info}/licenses/{name}"].strip()
    assert any(name.startswith("third-party/pyo3-") for name in metadata.get_all("License-File", []))
    assert {"geometry/__init__.pyi", "geometry/py.typed", "geometry/__init__.py"} <= set(files)


def test_the_bill_of_materials_names_every_crate(wheel: Wheel, cells: dict[str, BuiltCell]) -> None:
    bom = json.loads(contents(wheel.path)["geometry-1.2.dist-info/sboms/geometry.cyclonedx.json"])
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    assert bom["metadata"]["component"]["purl"] == "pkg:cargo/geometry@1.2.0"
    locked = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource', cells["geometry"].lock)
    found = {(item["name"], item["version"]): item for item in bom["components"]}
    assert set(found) <= set(locked)
    pyo3 = next(item for (name, _), item in found.items() if name == "pyo3")
    assert pyo3["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert re.fullmatch(r"pkg:cargo/pyo3@\d+\.\d+\.\d+", pyo3["purl"])
    assert len(pyo3["hashes"][0]["content"]) == 64
    assert pyo3["scope"] == "required"
    assert next(item for (name, _), item in found.items() if name == "syn")["scope"] == "excluded"
    references = {item["bom-ref"] for item in [*bom["components"], bom["metadata"]["component"]]}
    assert references == {item["ref"] for item in bom["dependencies"]}
    assert all(reference in references for item in bom["dependencies"] for reference in item.get("dependsOn", ()))


def test_the_bill_of_materials_follows_the_schema(wheel: Wheel) -> None:
    if find_spec("cyclonedx") is None and os.environ.get("CI") != "true":
        pytest.skip("cyclonedx-python-lib is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = contents(wheel.path)["geometry-1.2.dist-info/sboms/geometry.cyclonedx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text.replace('"library"', '"book"')) is not None


def test_the_module_is_clean(wheel: Wheel) -> None:
    module = next(data for name, data in contents(wheel.path).items() if name.endswith((".so", ".pyd")))
    assert b"pyo3magic" not in module


def test_two_exports_are_the_same_bytes(
    context: Context, export: Exporter, wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export("geometry")
    again = make_wheel(context, package, tmp_path)
    assert again.path.name == wheel.path.name
    assert again.path.read_bytes() == wheel.path.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dated = make_wheel(context, package, tmp_path / "dated")
    with zipfile.ZipFile(dated.path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    assert make_wheel(context, package, tmp_path / "dated").path.read_bytes() == dated.path.read_bytes()


def test_the_code_knows_what_its_package_is_called(
    context: Context, built: Builder, tmp_path: Path, say: Callable[..., str]
) -> None:
    """Though it is compiled with the line of a package of another name."""
    source = (
        'pub fn told() -> Vec<&\'static str> { vec![env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), '
        'env!("CARGO_PKG_VERSION_PRE"), env!("CARGO_PKG_AUTHORS"), env!("CARGO_CRATE_NAME"), module_path!()] }\n'
    )
    options = dataclasses.replace(METADATA, name="The-Teller", version="1.2rc3")
    package = assemble_package(context, (built(source, "teller"),), options=options, available={})
    wheel = make_wheel(context, package, tmp_path, platform="linux")
    with zipfile.ZipFile(wheel.path) as archive:
        archive.extractall(tmp_path / "site")
    said = say(sys.executable, "-c", "import teller; print(teller.told())", PYTHONPATH=str(tmp_path / "site"))
    expected = ["The-Teller", "1.2.0-rc.3", "rc.3", "Ada Lovelace <ada@example.org>", "teller", "teller"]
    assert said.strip() == repr(expected)


def test_the_same_module_compiled_twice_is_the_same_bytes(
    context: Context, export: Exporter, wheel: Wheel, tmp_path: Path
) -> None:
    from pyo3magic.export.build_target import make_build_target
    from pyo3magic.export.extension_module import build_extension

    again = build_extension(make_build_target(context), export("geometry").locked(context), force=True)
    module = next(data for name, data in contents(wheel.path).items() if name.endswith((".so", ".pyd")))
    assert again.file.read_bytes() == module


def test_an_existing_wheel_is_kept(context: Context, export: Exporter, tmp_path: Path) -> None:
    first = make_wheel(context, export("plain"), tmp_path, platform="linux")
    before = first.path.read_bytes()
    other = export("plain", options=dataclasses.replace(METADATA, summary="Another summary"))
    with pytest.raises(OptionError, match="--force"):
        make_wheel(context, other, tmp_path, platform="linux")
    assert first.path.read_bytes() == before
    assert make_wheel(context, other, tmp_path, platform="linux", force=True).path.read_bytes() != before
    assert listed(tmp_path) == [first.path.name]


def test_without_stubs(context: Context, export: Exporter, tmp_path: Path) -> None:
    path = make_wheel(context, export("plain"), tmp_path, platform="linux", stubs=False).path
    assert not any(name.endswith((".pyi", "py.typed")) for name in contents(path))


def test_cells_that_use_cells_share_their_types(
    context: Context, export: Exporter, tmp_path: Path, environment_of: Callable[..., Path], say: Callable[..., str]
) -> None:
    path = make_wheel(context, export("measures"), tmp_path, platform="linux").path
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", path)
    say(
        python,
        "-c",
        "import measures, measures.geometry as g\n"
        "from measures.geometry import Point\n"
        "m = measures.middle(Point(0.0), Point(2.0, 4.0))\n"
        "assert type(m) is g.Point and (m.x, m.length()) == (1.0, 5 ** 0.5), m\n",
    )


def test_several_modules_make_one_package(
    context: Context, export: Exporter, tmp_path: Path, environment_of: Callable[..., Path], say: Callable[..., str]
) -> None:
    package = export("geometry", "plain", "measures", options=dataclasses.replace(METADATA, name="My.Shapes"))
    wheel = make_wheel(context, package, tmp_path, platform="linux")
    assert wheel.path.name.startswith("my_shapes-1.2-")
    assert sum(name.endswith((".so", ".pyd")) for name in contents(wheel.path)) == 1
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", wheel.path)
    say(
        python,
        "-c",
        "from my_shapes import geometry, measures\n"
        "import my_shapes.plain\n"
        "assert my_shapes.plain.double(2.0) == 4.0\n"
        "assert type(measures.middle(geometry.Point(1.0), geometry.Point(2.0))) is geometry.Point\n",
    )


PICKLED = """
import pickle, subprocess, sys
items = [Point(3.0, 4.0), Point, double, {module}.GeometryError("no")]
assert [item.__module__ for item in items[:2]] == ["{module}"] * 2
code = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(items), capture_output=True, check=True)
print(done.stdout.decode())
"""


@pytest.mark.parametrize(("names", "module"), [(["dots"], "dots"), (["dots", "plain"], "several.dots")])
def test_what_is_in_a_wheel_can_be_pickled(
    names: list[str],
    module: str,
    context: Context,
    built: Builder,
    cells: dict[str, BuiltCell],
    tmp_path: Path,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
) -> None:
    pickled = GEOMETRY.replace(
        "    fn __repr__",
        "    fn __getnewargs__(&self) -> (f64, f64) {\n        (self.x, self.y)\n    }\n\n    fn __repr__",
    )
    available = {**cells, "dots": built(pickled, "dots")}
    options = dataclasses.replace(METADATA, name="several" if len(names) > 1 else None)
    package = assemble_package(context, tuple(available[name] for name in names), options=options, available=available)
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", make_wheel(context, package, tmp_path, platform="linux").path)
    code = f"import {module}\nfrom {module} import Point, double\n{PICKLED.format(module=module)}"
    said = say(python, "-c", code)
    assert said.startswith(f"[Point(3, 4), <class '{module}.Point'>, <built-in function double>, GeometryError('no')]")


def test_several_modules_need_a_name(export: Exporter) -> None:
    with pytest.raises(OptionError, match="--name"):
        export("geometry", "plain")
    with pytest.raises(OptionError, match="submodule"):
        export("geometry", "plain", options=MetadataOptions(name="plain"))


@LINUX
@pytest.mark.timeout(900)
@pytest.mark.parametrize("oldest", [(3, 9), (3, 10)])
def test_one_wheel_for_every_python(
    oldest: Any,
    context: Context,
    export: Exporter,
    tmp_path: Path,
    say: Callable[..., str],
) -> None:
    wheel = make_wheel(context, export("geometry", abi3=oldest), tmp_path)
    assert (wheel.tag.python, wheel.tag.abi) == (f"cp{oldest[0]}{oldest[1]}", "abi3")
    assert any(name.endswith(".abi3.so") for name in contents(wheel.path))
    assert wheel.tag.words().endswith(f"CPython {oldest[0]}.{oldest[1]} or newer")
    say(sys.executable, "-m", "twine", "check", "--strict", wheel.path)
    versions = [version for version in pythons() if version >= oldest]
    assert sys.version_info[:2] in versions
    folder = tmp_path / "site-packages"
    zipfile.ZipFile(wheel.path).extractall(folder)
    for version in versions:
        assert "site-packages" in say(pythons()[version], "-c", USE_GEOMETRY, PYTHONPATH=str(folder))


def test_a_stable_abi_that_lacks_what_the_cell_uses(context: Context, built: Builder, tmp_path: Path) -> None:
    cell = built(
        "use pyo3::ffi;\n#[pyfunction]\nfn f() -> usize { unsafe { ffi::PyList_GET_SIZE(ffi::PyList_New(0)) as usize } }\n",
        "lacking",
    )
    package = assemble_package(context, (cell,), options=METADATA, available={}, abi3=(3, 10))
    with pytest.raises(CompileError, match=r"stable ABI of Python 3\.10") as raised:
        make_wheel(context, package, tmp_path, stubs=False)
    assert any("PyList_GET_SIZE" in item.message for item in raised.value.diagnostics)
    assert not listed(tmp_path)


@LINUX
def test_abi3audit_finds_what_the_compiler_cannot(wheel: Wheel) -> None:
    files = {name: data for name, data in contents(wheel.path).items() if not name.endswith("RECORD")}
    files = {re.sub(r"geometry\.cpython.*", "geometry.abi3.so", name): data for name, data in files.items()}
    with pytest.raises(BuildError, match="outside the stable ABI"):
        audit_abi3("geometry-1.2", Tag("cp310", "abi3", "linux_x86_64"), files)


@LINUX
def test_a_promise_that_is_not_true(context: Context, export: Exporter, wheel: Wheel) -> None:
    files = {name: data for name, data in contents(wheel.path).items() if not name.endswith("RECORD")}
    module = next(data for name, data in files.items() if name.endswith(".so"))
    newest = forbidding_symbols(module, (2, 17))
    assert newest, "this system's glibc is so old that nothing newer is linked"
    assert any(re.fullmatch(r"\w+ \(GLIBC_2\.\d+\)", symbol) for symbol in newest)
    machine = context.interpreter.machine
    tag = Tag("cp311", "cp311", f"linux_{machine}")
    with pytest.raises(BuildError) as raised:
        audit_linux("geometry-1.2", tag, files, parse_platform("manylinux2014"), machine)
    assert "manylinux_2_17" in str(raised.value)
    assert newest[0] in str(raised.value)


@LINUX
@pytest.mark.slow
def test_manylinux2014_is_true(
    context: Context, export: Exporter, tmp_path: Path, environment_of: Callable[..., Path], say: Callable[..., str]
) -> None:
    wheel = make_wheel(context, export("geometry"), tmp_path, platform="manylinux2014")
    assert "manylinux2014" in wheel.path.name
    assert "glibc 2.17 or newer" in wheel.tag.words()
    shown = json.loads(say(sys.executable, "-m", "auditwheel", "show", "--json", wheel.path))
    assert shown["overall_tag"] in {f"manylinux_2_{minor}_{context.interpreter.machine}" for minor in (5, 12, 17)}
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", wheel.path)
    say(python, "-c", USE_GEOMETRY)


@LINUX
def test_external_libraries_come_along(
    context: Context,
    built: Builder,
    tmp_path: Path,
    environment_of: Callable[..., Path],
    say: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "probe.c").write_text("int probe(void) { return 42; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libdistprobe.so", tmp_path / "probe.c"], check=True)
    monkeypatch.setenv("LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    here = gather(context.store)
    cell = dataclasses.replace(
        built("pub fn probe() -> i32 { 0 }\n", "linked"),
        body='#[link(name = "distprobe")]\nunsafe extern "C" { safe fn probe() -> i32; }\n#[pyfunction]\nfn ask() -> i32 { probe() }\n',
    )
    package = assemble_package(here, (cell,), options=METADATA, available={})
    wheel = make_wheel(here, package, tmp_path / "dist")
    assert wheel.grafted == ("libdistprobe.so",)
    assert any("linked.libs/libdistprobe" in name for name in contents(wheel.path))
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", wheel.path)
    (tmp_path / "libdistprobe.so").unlink()
    assert say(python, "-c", "import linked; print(linked.ask())").strip() == "42"
    monkeypatch.delenv("LD_LIBRARY_PATH")
    with pytest.raises(BuildError, match="distprobe"):
        make_wheel(here, package, tmp_path / "other")


def test_native_cells_are_rebuilt_for_every_processor(context: Context, built: Builder, tmp_path: Path) -> None:
    cell = built('pub fn native() -> bool { cfg!(target_feature = "sse4.2") }\n', "native", native=True)
    package = assemble_package(context, (cell,), options=METADATA, available={})
    wheel = make_wheel(context, package, tmp_path, platform="linux")
    done = subprocess.run(
        [sys.executable, "-c", "import native; print(native.native())"],
        env={**os.environ, "PYTHONPATH": str(unpacked(wheel.path, tmp_path / "unpacked"))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def unpacked(path: Any, folder: Any) -> Any:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def test_a_crate_with_a_python_package_requires_it(context: Context, built: Builder, tmp_path: Path) -> None:
    cell = built(
        '---\n[dependencies]\nitoa = "*"\n[package]\nversion = "2.0.0"\n[tool.pyo3magic]\nname = "front-matter"\ndependencies = ["numpy>=1"]\n---\npub fn text(x: i64) -> String { itoa::Buffer::new().format(x).to_owned() }\n',
        "fronted",
    )
    package = assemble_package(context, (cell,), options=MetadataOptions(), available={})
    wheel = make_wheel(context, package, tmp_path, platform="linux")
    assert wheel.path.name.startswith("front_matter-2.0.0-")
    files = contents(wheel.path)
    assert b"Requires-Dist: numpy>=1" in files["front_matter-2.0.0.dist-info/METADATA"]
    assert any("third-party/itoa-" in name for name in files)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"platform": "manylinux1"}, OptionError, "manylinux2014"),
        ({"target": "Nope"}, ToolchainError, "is not a target"),
        ({"target": "s390x-unknown-linux-gnu"}, ToolchainError, "rustup target add s390x-unknown-linux-gnu"),
        ({"platform": "manylinux2014", "target": "x86_64-pc-windows-gnu"}, PyO3MagicError, "not installed|glibc"),
        ({"platform": "musllinux_1_2"}, PyO3MagicError, "musl"),
    ],
)
def test_targets_that_cannot_be(
    context: Context, export: Exporter, tmp_path: Path, options: Any, error: Any, words: Any
) -> None:
    with pytest.raises(error, match=words):
        make_wheel(context, export("plain"), tmp_path, **options)
    assert not listed(tmp_path)


def test_an_output_folder_that_is_a_file(context: Context, export: Exporter, tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("")
    with pytest.raises(OptionError, match="is a file"):
        make_wheel(context, export("plain"), tmp_path / "dist")
