"""Compilation settings of a crate, as cargo's arguments and environment variables."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyo3magic.cell import Options
from pyo3magic.environment.cargo_config import rustflags_key
from pyo3magic.environment.link_args import extension_link_args

from .path_prefixes import prefixes_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyo3magic.environment.context import Context

__all__ = ["Profile", "module_profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a crate is compiled.

    Attributes:
        debug: without optimisation, with debug assertions.
        native: for this machine's processor only.
        features: the crate's own cargo features to enable.
        flags: more compiler flags.
        prefixes: the file with the options that replace this machine's paths (`path_prefixes`); None to keep the paths.
    """

    debug: bool = False
    native: bool = False
    features: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    prefixes: Path | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What distinguishes it from other profiles, in every store: the folder of the file ``prefixes`` does not."""
        return replace(self, prefixes=None), self.prefixes is not None

    @property
    def rustflags(self) -> tuple[str, ...]:
        """Compiler flags for this crate and all its dependencies; a debugger needs the paths as they are."""
        return (
            *self.flags,
            *(("-Ctarget-cpu=native",) if self.native else ()),
            *((f"@{self.prefixes}",) if self.prefixes is not None and not self.debug else ()),
        )

    def arguments(self, context: Context) -> list[str]:
        """Return the arguments of ``cargo build`` for this profile."""
        arguments = [] if self.debug else ["--release"]
        if self.features:
            arguments += ["--features", ",".join(self.features)]
        return arguments + self.flag_arguments(context)

    def flag_arguments(self, context: Context) -> list[str]:
        """Return cargo's arguments that add this profile's flags to those in configuration files."""
        if not self.rustflags or {"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"} & context.environ.keys():
            return []
        key = rustflags_key(context.directory, context.environ, context.triple)
        return ["--config", f"{key}={json.dumps(self.rustflags, ensure_ascii=False)}"]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` with this profile's flags added (RUSTFLAGS takes precedence over any configuration)."""
        result = dict(environ)
        if self.rustflags and "CARGO_ENCODED_RUSTFLAGS" in result:
            result["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(
                (*filter(None, [result["CARGO_ENCODED_RUSTFLAGS"]]), *self.rustflags)
            )
        elif self.rustflags and "RUSTFLAGS" in result:
            # The encoded form, because a path can have spaces.
            result["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join((*result["RUSTFLAGS"].split(), *self.rustflags))
        return result


def module_profile(context: Context, options: Options = Options()) -> Profile:  # noqa: B008 - immutable
    """Return the profile of an extension module.

    Args:
        context: where and with what to build.
        options: the cell's options; the default is an optimised module for any processor.
    """
    flags = tuple(
        f"-C{argument}"
        for argument in extension_link_args(context.triple, context.interpreter)
        if argument.startswith("target-feature=")
    )
    return Profile(options.debug, options.native, options.features, flags, prefixes_file(context))
