"""Every setting, in one place: IPython configuration (``%config PyO3Magic``), environment variables, defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Float, Unicode, default
from traitlets.config import Configurable

from .errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PyO3Magic", "parse_size", "store_folder"]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


class PyO3Magic(Configurable):
    """The settings of pyo3magic in this kernel; each has an environment variable that gives its default."""

    store = Unicode(help="Folder of artifacts, lock files and cargo target folders (PYO3MAGIC_STORE).").tag(config=True)
    size_limit = Unicode(help="How large the store may grow, e.g. '20GB' (PYO3MAGIC_SIZE_LIMIT).").tag(config=True)
    warm_up = Bool(help="Compile pyo3 in the background at %load_ext (PYO3MAGIC_WARM_UP).").tag(config=True)
    offline = Bool(help="Never ask a registry, like --offline (PYO3MAGIC_OFFLINE).").tag(config=True)
    edition = Unicode(help="Rust edition of cells that name none (PYO3MAGIC_EDITION).").tag(config=True)
    pyo3 = Unicode(help="pyo3 requirement of cells that name none (PYO3MAGIC_PYO3).").tag(config=True)
    remote_timeout = Float(60.0, help="Seconds a remote kernel may take to answer (PYO3MAGIC_REMOTE_TIMEOUT).").tag(
        config=True
    )
    metadata = Dict(help="Metadata of exported projects, as in [tool.pyo3magic]: author, license, ...").tag(config=True)
    progress_delay = Float(0.5, help="Seconds before a running build shows its progress.").tag(config=True)

    @default("store")
    def _default_store(self) -> str:
        return str(store_folder(os.environ))

    @default("size_limit")
    def _default_size_limit(self) -> str:
        return os.environ.get("PYO3MAGIC_SIZE_LIMIT", "20GB")

    @default("warm_up")
    def _default_warm_up(self) -> bool:
        return _flag("PYO3MAGIC_WARM_UP", unset=True)

    @default("offline")
    def _default_offline(self) -> bool:
        return _flag("PYO3MAGIC_OFFLINE", unset=False)

    @default("edition")
    def _default_edition(self) -> str:
        return os.environ.get("PYO3MAGIC_EDITION", "2024")

    @default("pyo3")
    def _default_pyo3(self) -> str:
        return os.environ.get("PYO3MAGIC_PYO3", "")

    @default("remote_timeout")
    def _default_remote_timeout(self) -> float:
        try:
            return float(os.environ.get("PYO3MAGIC_REMOTE_TIMEOUT", "60"))
        except ValueError:
            return 60.0

    def values(self) -> dict[str, Any]:
        """Name and present value of each setting."""
        return {name: getattr(self, name) for name in self.trait_names(config=True)}


def store_folder(environ: Mapping[str, str]) -> Path:
    """The store's folder: the user's own one of PYO3MAGIC_STORE, or ``pyo3magic`` in the user's cache folder."""
    from .store.layers import own_folder

    if chosen := own_folder(environ):
        return chosen
    import platformdirs

    return Path(platformdirs.user_cache_dir("pyo3magic", appauthor=False))


def parse_size(text: str) -> int:
    """Bytes from ``"20GB"``, ``"512 MiB"`` or a plain number.

    Raises:
        OptionError: ``text`` is no size.
    """
    stripped = text.strip().upper().removesuffix("B")
    number = stripped.rstrip("KMGTI").strip()
    unit = stripped[len(stripped.rstrip("KMGTI")) :]
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise OptionError(f"{text!r} is not a size.", advice="Write for example 20GB or 512MiB.") from None


def _flag(variable: str, *, unset: bool) -> bool:
    value = os.environ.get(variable, "").strip().lower()
    if not value:
        return unset
    return value not in {"0", "false", "no", "off"}
