"""Every setting, in one place: IPython configuration (``%config PyO3Magic``), environment variables, defaults."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Float, TraitError, Unicode, default, validate
from traitlets.config import Configurable

from .cell import EDITIONS
from .cell.cell import check_requirement
from .cell.tool_table import check_metadata
from .environment.build_options import DEFAULT_EDITION, BuildOptions, silent
from .errors import OptionError
from .user_paths import user_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment.build_options import Event

__all__ = ["PyO3Magic", "parse_size"]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class PyO3Magic(Configurable):
    """The settings of pyo3magic in this kernel.

    Each has an environment variable that gives its default. A value is checked when it is set, and is in force at once.
    """

    store = Unicode(help="Folder of artifacts, lock files and cargo target folders (PYO3MAGIC_STORE).").tag(config=True)
    size_limit = Unicode(help="How large the store may grow, e.g. '20GB' (PYO3MAGIC_SIZE_LIMIT).").tag(config=True)
    warm_up = Bool(help="Compile pyo3 in the background at %load_ext (PYO3MAGIC_WARM_UP).").tag(config=True)
    offline = Bool(help="Never ask a registry, like --offline (PYO3MAGIC_OFFLINE).").tag(config=True)
    edition = Unicode(help="Rust edition of cells that name none (PYO3MAGIC_EDITION).").tag(config=True)
    pyo3 = Unicode(help="pyo3 requirement of cells that name none (PYO3MAGIC_PYO3).").tag(config=True)
    remote_timeout = Float(help="Seconds a remote kernel may take to answer (PYO3MAGIC_REMOTE_TIMEOUT).").tag(
        config=True
    )
    metadata = Dict(help="Metadata of exported projects, as in [tool.pyo3magic]: author, license, ...").tag(config=True)
    progress_delay = Float(0.5, help="Seconds before a running build shows its progress.").tag(config=True)

    @default("store")
    def _default_store(self) -> str:
        from .store.layers import own_folder

        return str(own_folder(os.environ))

    @default("size_limit")
    def _default_size_limit(self) -> str:
        return _variable("size_limit", "20GB")

    @default("warm_up")
    def _default_warm_up(self) -> bool:
        return _flag("warm_up", unset=True)

    @default("offline")
    def _default_offline(self) -> bool:
        return _flag("offline", unset=False)

    @default("edition")
    def _default_edition(self) -> str:
        return _variable("edition", DEFAULT_EDITION)

    @default("pyo3")
    def _default_pyo3(self) -> str:
        return _variable("pyo3", "")

    @default("remote_timeout")
    def _default_remote_timeout(self) -> float:
        return float(_variable("remote_timeout", "60"))

    @validate("store", "size_limit", "edition", "pyo3", "remote_timeout", "metadata", "progress_delay")
    def _check(self, proposal: Any) -> Any:
        try:
            _CHECKS[proposal.trait.name](proposal.value)
        except OptionError as error:
            # traitlets restores the earlier value for this kind of error only.
            raise TraitError(f"PyO3Magic.{proposal.trait.name}: {error}") from None
        return proposal.value

    def values(self) -> dict[str, Any]:
        """Name and present value of each setting.

        Raises:
            OptionError: an environment variable has a value that its setting cannot have.
        """
        return {name: getattr(self, name) for name in self.trait_names(config=True)}

    def build_options(
        self,
        *,
        python: str = "",
        target: str = "",
        offline: bool = False,
        force: bool = False,
        report: Callable[[Event], None] = silent,
    ) -> BuildOptions:
        """What is asked of a build: the settings, with what one call asks for besides.

        Args:
            python: another Python executable to build for (``--python``).
            target: the Rust target to build for (``--target``).
            offline: never ask a registry, whatever the setting is.
            force: build through cargo even if the store has the artifact.
            report: is called with each step of the build.

        Raises:
            OptionError: an environment variable has a value that its setting cannot have.
        """
        return BuildOptions(
            python=python,
            target=target,
            offline=offline or self.offline,
            edition=self.edition,
            pyo3=self.pyo3,
            force=force,
            report=report,
        )


def parse_size(text: str) -> int:
    """Bytes from ``"20GB"``, ``"512 MiB"`` or a plain number.

    Raises:
        OptionError: ``text`` is not a size.
    """
    stripped = text.strip().upper().removesuffix("B")
    number = stripped.rstrip("KMGTI").strip()
    unit = stripped[len(stripped.rstrip("KMGTI")) :]
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        size = -1
    if size < 0:
        raise OptionError(f"{text!r} is not a size.", advice="Write for example 20GB or 512MiB.")
    return size


def _check_edition(value: str) -> None:
    if value not in EDITIONS:
        raise OptionError(f"There is no Rust edition {value!r}.", advice=f"The editions are {', '.join(EDITIONS)}.")


def _check_timeout(value: float | str) -> None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(f"{value!r} is not a number of seconds above 0.", advice="Write for example 60.")


def _check_delay(value: float) -> None:
    if not value >= 0:
        raise OptionError(f"{value!r} is not a number of seconds.", advice="Write 0 or more; the default is 0.5.")


_CHECKS: dict[str, Callable[[Any], object]] = {
    "store": lambda folder: user_path(folder, "The store's folder"),
    "size_limit": parse_size,
    "edition": _check_edition,
    "pyo3": check_requirement,
    "remote_timeout": _check_timeout,
    "metadata": lambda table: check_metadata(table, "The table"),
    "progress_delay": _check_delay,
}


def _variable(setting: str, unset: str) -> str:
    """The environment variable of a setting, checked; ``unset`` where the variable is empty or missing."""
    name = f"PYO3MAGIC_{setting.upper()}"
    value = os.environ.get(name) or unset
    try:
        _CHECKS[setting](value)
    except OptionError as error:
        raise OptionError(f"The environment variable {name} is wrong: {error.message}", advice=error.advice) from None
    return value


def _flag(setting: str, *, unset: bool) -> bool:
    name = f"PYO3MAGIC_{setting.upper()}"
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return unset
    if value not in _YES | _NO:
        raise OptionError(
            f"The environment variable {name} is {value!r}, which is neither yes nor no.", advice="Write 1 or 0."
        )
    return value in _YES
