"""Running cargo, or rustc the way cargo ran it; only here are they started."""

from __future__ import annotations

from .compile import Built, compile_crate, compile_directly, compile_error, plan_folder, recorded_invocation
from .profile import Profile

__all__ = ["Built", "Profile", "compile_crate", "compile_directly", "compile_error", "plan_folder", "recorded_invocation"]
