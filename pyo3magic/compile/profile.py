"""Compilation settings of a crate, as cargo's arguments and environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a crate is compiled.

    Attributes:
        debug: without optimisation, with debug assertions.
        native: for this machine's processor only.
        features: the crate's own cargo features to enable.
        flags: more compiler flags.
    """

    debug: bool = False
    native: bool = False
    features: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def rustflags(self) -> tuple[str, ...]:
        """Compiler flags for this crate and all its dependencies."""
        return (*self.flags, *(("-Ctarget-cpu=native",) if self.native else ()))

    def arguments(self, environ: Mapping[str, str]) -> list[str]:
        """Return the arguments of ``cargo build`` for this profile in the environment ``environ``."""
        arguments = [] if self.debug else ["--release"]
        if self.features:
            arguments += ["--features", ",".join(self.features)]
        if self.rustflags and not {"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"} & environ.keys():
            arguments += ["--config", f"target.'cfg(all())'.rustflags={list(self.rustflags)!r}"]
        return arguments

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` with this profile's flags added (RUSTFLAGS takes precedence over any configuration)."""
        result = dict(environ)
        if self.rustflags and "CARGO_ENCODED_RUSTFLAGS" in result:
            result["CARGO_ENCODED_RUSTFLAGS"] += "".join(f"\x1f{flag}" for flag in self.rustflags)
        elif self.rustflags and "RUSTFLAGS" in result:
            result["RUSTFLAGS"] = " ".join((result["RUSTFLAGS"], *self.rustflags))
        return result
