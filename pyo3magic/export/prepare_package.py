"""Assembles the package of chosen cells, for the Python and the platform that it is exported for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.context import gather

from .build_target import make_build_target
from .source_tree import BuiltCell, assemble_package
from .tags import check_abi3, parse_abi3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.environment.context import Context
    from pyo3magic.store import Store

    from .metadata import MetadataOptions
    from .source_tree import Package

__all__ = ["prepare_package"]


def prepare_package(
    store: Store,
    chosen: tuple[BuiltCell, ...],
    *,
    available: Mapping[str, BuiltCell],
    options: MetadataOptions,
    defaults: Mapping[str, Any],
    abi3: str | None = None,
    build: BuildOptions = DEFAULTS,
) -> tuple[Context, Package]:
    """The package of cells, and the context to build it in. Cargo is not started.

    Args:
        store: the store to build in.
        chosen: the cells to export.
        available: by module, every cell that the chosen ones may use.
        options: the metadata of this export.
        defaults: the metadata from the settings.
        abi3: ``"3.11"`` or similar for the stable ABI of that Python, ``""`` for that of the oldest Python that the
            export supports, or None for the full API.
        build: how to build, the Rust target included.

    Raises:
        OptionError: a name, a version or another option is invalid.
        ManifestError: the cells' front matter does not fit together.
        ToolchainError: cargo, rustc or something for the target is missing.
        InterpreterError: the Python to build for cannot be used.
    """
    # The context stays that of this machine: a context for the target is made for each wheel.
    context = gather(store, dataclasses.replace(build, target=""))
    target = build.target
    interpreter = make_build_target(context, target=target).context.interpreter if target else context.interpreter
    version = parse_abi3(abi3)
    if version is not None:
        check_abi3(version, interpreter)
    package = assemble_package(
        context,
        chosen,
        options=options,
        available=available,
        defaults=defaults,
        abi3=version,
        interpreter=interpreter,
    )
    return context, package
