"""A package's extension module, built from the exported sources, so that wheel and sdist are the same code.

The module that the notebook has loaded is not what is published: it answers questions of the session (where it
panicked) and may need other files of the store. Once the crates it depends on are compiled, one rustc makes the clean
one; that artifact is kept in the store like any other, and the next export of the same sources compiles nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.build import Profile, compile_crate
from pyo3magic.crate import Crate, Manifest
from pyo3magic.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyo3magic.store import Artifact

    from .package import Package
    from .variant import Variant

__all__ = ["ExportCrate", "build_extension", "extension_suffix", "wheel_crate"]


@dataclass(frozen=True, slots=True)
class ExportCrate(Crate):
    """A crate of more files than a cell's.

    Attributes:
        others: relative path and text of each Rust file beside ``src/lib.rs``.
    """

    others: tuple[tuple[str, str], ...] = ()

    def files(self, support: Path | None = None) -> Iterator[tuple[str, str]]:
        """Relative path and text of each file; there is no support crate."""
        yield from Crate.files(self, support)
        yield from self.others


def wheel_crate(package: Package, *, inspect: bool = False) -> ExportCrate:
    """The crate as it is built for a wheel: a ``cdylib`` alone, stripped; or with PyO3's introspection data.

    Args:
        package: what is exported.
        inspect: build with PyO3's ``experimental-inspect`` (for type stubs), the crate's own code not optimised.
    """
    import tomlkit

    document = tomlkit.parse(package.manifest.text).unwrap()
    document["lib"]["crate-type"] = ["cdylib"]
    document["package"].pop("readme", None)
    document.setdefault("workspace", {})
    profiles = document.setdefault("profile", {})
    release = profiles["release"] = {"incremental": False, **profiles.get("release", {})}
    own = release.setdefault("package", {}).setdefault(package.manifest.package, {})
    if inspect:
        own["opt-level"] = 0
        entry = document["dependencies"]["pyo3"]
        entry = document["dependencies"]["pyo3"] = {"version": entry} if isinstance(entry, str) else entry
        entry["features"] = sorted({*entry.get("features", ()), "experimental-inspect"})
    elif not {"strip", "debug"} & release.keys():
        own.setdefault("strip", "symbols")
    files = package.rust_files()
    source, script = files.pop("src/lib.rs"), files.pop("build.rs", "")
    manifest = Manifest(tomlkit.dumps(document), package.manifest.package, package.manifest.library)
    return ExportCrate(manifest, source, script, package.lock, package.module, others=tuple(sorted(files.items())))


def extension_suffix(package: Package, variant: Variant) -> str:
    """Suffix of the extension module's file in the wheel."""
    interpreter = variant.context.interpreter
    if package.abi3 is not None:
        return ".pyd" if interpreter.is_windows else ".abi3.so"
    return interpreter.ext_suffix


def build_extension(variant: Variant, package: Package, *, inspect: bool = False, force: bool = False) -> Artifact:
    """Build a package's extension module, or find it in the store.

    Raises:
        CompileError: the compiler refuses it; with the stable ABI, the message says that this may be why.
        BuildError: cargo or rustc failed otherwise.
        DependencyError: a crate cannot be had.
    """
    context = variant.context
    crate = wheel_crate(package, inspect=inspect)
    parts = (
        tuple(crate.files()),
        context.interpreter.digest,
        context.toolchain.digest,
        context.environment_digest,
        variant.target,
    )
    key = hashlib.sha256(repr(("export", *parts)).encode()).hexdigest()
    present = None if force else context.store.find(key, context.environ)
    if present is not None:
        return present
    with context.store.workspace() as workspace:
        try:
            # A recorded compiler line knows of one source file only.
            built = compile_crate(context, crate, Profile(), workspace, force=force or bool(crate.others))
        except CompileError as error:
            raise _explained(error, package) from None
        return context.store.publish(
            key,
            built.inputs,
            module=package.module,
            built=built.file,
            file_name=package.module + extension_suffix(package, variant),
            interpreter=context.interpreter.identity,
            write_crate=crate.write,
            diagnostics=tuple(item.to_dict() for item in built.diagnostics),
            seconds=built.seconds,
        )


def _explained(error: CompileError, package: Package) -> CompileError:
    advice = error.advice
    if package.abi3 is not None:
        why = (
            f"With --abi3 only the stable ABI of Python {package.abi3[0]}.{package.abi3[1]} may be used: leave the "
            "option out for a wheel of this Python version, or name a newer one, for example --abi3 3.12."
        )
        advice = f"{advice}\n{why}" if advice else why
    return CompileError(error.message, diagnostics=error.diagnostics, label="the exported crate", advice=advice)
