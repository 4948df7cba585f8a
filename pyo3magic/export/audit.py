"""Proves what a wheel's tag promises about the system and the stable ABI, with auditwheel and abi3audit."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import BuildError
from pyo3magic.process import ask

from .build_target import program
from .tags import MANYLINUX_NAMES, Tag
from .wheel_file import read_wheel, wheel_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tags import Platform

__all__ = ["Audited", "audit_abi3", "audit_linux"]

_TIMEOUT = 300
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Audited:
    """A wheel's files and tag after the audit.

    Attributes:
        files: path and content of every file except ``RECORD``, copied libraries included.
        tag: the tag that was proved.
        grafted: names of the external libraries that were copied into the wheel.
    """

    files: Mapping[str, bytes]
    tag: Tag
    grafted: tuple[str, ...] = ()


def audit_linux(stem: str, tag: Tag, files: Mapping[str, bytes], platform: Platform, machine: str) -> Audited:
    """Find the lowest manylinux or musllinux tag that is true, or prove the requested one.

    ``auditwheel repair`` copies libraries that the policy does not allow from outside into the wheel.

    Args:
        stem: ``name-version``.
        tag: the tag with the platform ``linux_*``.
        files: path and content of every file of the wheel except ``RECORD``.
        platform: the requested platform.
        machine: the machine's name in platform tags.

    Returns:
        The files and the tag that was proved.

    Raises:
        BuildError: the requested tag is not true; the message names the symbols that forbid it. Or auditwheel failed.
        ToolchainError: patchelf, which copying libraries needs, is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="pyo3magic-") as name:
        wheel = Path(name) / f"{stem}-{tag}.whl"
        wheel.write_bytes(wheel_bytes(stem, tag, files, compress=False))
        facts = _show(wheel)
        proved = str(facts["sym_tag"])
        if platform.kind != "auto":
            _check_promise(platform, facts, files, machine)
            proved = f"{platform.policy}_{machine}"
        elif proved.startswith("linux_"):
            return Audited(files, tag)
        external = {str(key) for key in facts.get("external_libs", {})}
        policy, _, _ = proved.rpartition(f"_{machine}")
        final = Tag(tag.python, tag.abi, _with_alias(policy, machine))
        if not external:
            return Audited(files, final)
        output = Path(name) / "repaired"
        _repair(wheel, proved, output, external)
        repaired = next(output.glob("*.whl"))
        return Audited(read_wheel(repaired), final, tuple(sorted(external)))


def _with_alias(policy: str, machine: str) -> str:
    """A platform tag followed by the older name of the same policy, as auditwheel writes them."""
    older = [name for name, glibc in MANYLINUX_NAMES.items() if policy == "manylinux_{}_{}".format(*glibc)]
    return ".".join(f"{name}_{machine}" for name in (policy, *older))


def _show(wheel: Path) -> dict[str, Any]:
    answer = ask([sys.executable, "-m", "auditwheel", "show", "--json", wheel], timeout=_TIMEOUT)
    try:
        facts: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        facts = {"error": (answer.stderr or answer.stdout).strip()}
    if "error" in facts or "sym_tag" not in facts:
        said = str(facts.get("error", "it said nothing")).strip().splitlines()
        raise BuildError(
            f"auditwheel cannot judge the wheel: {said[-1] if said else 'it said nothing'}.",
            advice="Write a wheel for this system only with --platform linux.",
            details=answer.stderr,
        )
    return facts


def _check_promise(platform: Platform, facts: Mapping[str, Any], files: Mapping[str, bytes], machine: str) -> None:
    proved = re.match(r"(many|musl)linux_(\d+)_(\d+)_", str(facts["sym_tag"]))
    assert platform.version is not None  # noqa: S101 - a promise has one
    if proved and f"{proved[1]}linux" == platform.kind and (int(proved[2]), int(proved[3])) <= platform.version:
        return
    symbols = sorted({name for content in files.values() for name in forbidding_symbols(content, platform.version)})
    if not symbols:
        libraries = facts.get("versioned_symbols", {})
        symbols = [f"{version} of {library}" for library, versions in libraries.items() for version in versions]
    shown = ", ".join(symbols[:12]) + (f" and {len(symbols) - 12} more" if len(symbols) > 12 else "")  # noqa: PLR2004
    raise BuildError(
        f"The module cannot run everywhere that {platform.policy}_{machine} promises: it needs "
        f"{shown or facts['sym_tag']}.",
        advice="Avoid these functions, or leave out --platform to get the lowest tag that is true.",
    )


def forbidding_symbols(content: bytes, glibc: tuple[int, int]) -> list[str]:
    """The symbols of an ELF file that need a newer glibc than the one given, each as ``name (GLIBC_2.35)``."""
    if not content.startswith(b"\x7fELF"):
        return []
    from elftools.elf.elffile import ELFFile

    found = []
    elf: Any = ELFFile(io.BytesIO(content))
    versions, needs = elf.get_section_by_name(".gnu.version"), elf.get_section_by_name(".gnu.version_r")
    symbols = elf.get_section_by_name(".dynsym")
    if versions is None or needs is None or symbols is None:
        return []
    for number, symbol in enumerate(symbols.iter_symbols()):
        index = versions.get_symbol(number)["ndx"]
        need = needs.get_version(index) if isinstance(index, int) else None
        name = str(need[1].name) if need else ""
        match = _GLIBC.fullmatch(name)
        if match and (int(match[1]), int(match[2])) > glibc:
            found.append(f"{symbol.name} ({name})")
    return found


def _repair(wheel: Path, platform: str, output: Path, external: set[str]) -> None:
    folder = str(Path(program("patchelf")).parent)
    environ = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    command: list[str | Path] = [sys.executable, "-m", "auditwheel", "repair", "--plat", platform, "-w", output, wheel]
    answer = ask(command, environ=environ, timeout=_TIMEOUT)
    if answer.status != 0 or not output.is_dir():
        lines = [line for line in answer.stderr.strip().splitlines() if line.strip()]
        raise BuildError(
            f"auditwheel cannot copy the libraries {', '.join(sorted(external))} into the wheel: "
            f"{lines[-1] if lines else 'it said nothing'}.",
            advice="Build the crate with its library linked statically (often a feature called `vendored` or "
            "`static`), or write a wheel for this system only with --platform linux.",
            details=answer.stderr,
        )


def audit_abi3(stem: str, tag: Tag, files: Mapping[str, bytes]) -> None:
    """Prove with abi3audit that a wheel uses no function outside the stable ABI that its tag promises.

    Args:
        stem: ``name-version``.
        tag: the wheel's tag.
        files: path and content of every file of the wheel except ``RECORD``.

    Raises:
        BuildError: the wheel uses other functions, which the message names; or abi3audit failed.
        ToolchainError: abi3audit is not installed.
    """
    command = program("abi3audit")
    with tempfile.TemporaryDirectory(prefix="pyo3magic-") as name:
        wheel = Path(name) / f"{stem}-{tag}.whl"
        wheel.write_bytes(wheel_bytes(stem, tag, files, compress=False))
        answer = ask([command, "--report", "--strict", str(wheel)], timeout=_TIMEOUT)
    try:
        report = json.loads(answer.stdout)
        results = [item["result"] for spec in report["specs"].values() for item in spec["wheel"]]
        symbols = sorted(
            {symbol for item in results for symbol in (*item["non_abi3_symbols"], *item["future_abi3_objects"])}
        )
        is_good = all(item["is_abi3"] for item in results)
    except (ValueError, KeyError, TypeError):
        said = (answer.stderr or answer.stdout).strip().splitlines()
        raise BuildError(
            f"abi3audit cannot judge the wheel: {said[-1] if said else 'it said nothing'}.",
            advice="Leave out --abi3, or update abi3audit.",
            details=answer.stderr,
        ) from None
    if symbols or not is_good:
        raise BuildError(
            f"The module uses functions outside the stable ABI that {tag.python}-abi3 promises: "
            f"{', '.join(symbols) or 'unknown ones'}.",
            advice="Leave out --abi3, or name a Python version whose stable ABI has them, for example --abi3 3.12.",
        )
