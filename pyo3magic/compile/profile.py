"""How a crate is compiled, as cargo's arguments and environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a crate is compiled."""

    debug: bool = False
    native: bool = False
    features: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def rustflags(self) -> tuple[str, ...]:
        """Compiler flags for this crate and all it depends on."""
        return (*self.flags, *(("-Ctarget-cpu=native",) if self.native else ()))

    def arguments(self, environ: Mapping[str, str]) -> list[str]:
        """Arguments of ``cargo build`` for this profile."""
        arguments = [] if self.debug else ["--release"]
        if self.features:
            arguments += ["--features", ",".join(self.features)]
        if self.rustflags and not {"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"} & environ.keys():
            arguments += ["--config", f"target.'cfg(all())'.rustflags={list(self.rustflags)!r}"]
        return arguments

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """``environ`` with what this profile adds (RUSTFLAGS takes precedence over any configuration)."""
        result = dict(environ)
        if self.rustflags and "CARGO_ENCODED_RUSTFLAGS" in result:
            result["CARGO_ENCODED_RUSTFLAGS"] += "".join(f"\x1f{flag}" for flag in self.rustflags)
        elif self.rustflags and "RUSTFLAGS" in result:
            result["RUSTFLAGS"] = " ".join((result["RUSTFLAGS"], *self.rustflags))
        return result
