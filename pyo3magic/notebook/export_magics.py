"""``%pyo3_wheel``, ``%pyo3_sdist``, ``%pyo3_project`` and ``%pyo3_install``: parse options, export, show. No logic."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from pyo3magic.user_paths import user_path

from .magic_line import parse_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pyo3magic.environment.context import Context
    from pyo3magic.export.metadata import MetadataOptions
    from pyo3magic.export.project import Backend
    from pyo3magic.export.source_tree import Package
    from pyo3magic.session import Session
    from pyo3magic.settings import PyO3Magic

__all__ = ["DistributionMagics"]

_COMMON = (
    argument("modules", metavar="MODULE", nargs="*", help="modules to export; by default the last cell built"),
    argument("--name", metavar="N", help="the project's name; several modules become its submodules"),
    argument("--version", metavar="V", help="the version (PEP 440); 0.1.0 by default"),
    argument("--summary", metavar="TEXT", help="one line about the project; by default from the documentation"),
    argument("--author", metavar="WHO", action="append", default=[], help="'Name <email>' of an author; repeatable"),
    argument("--license", metavar="SPDX", help="licence expression, for example MIT or 'MIT OR Apache-2.0'"),
    argument("--requires-python", metavar="SPEC", help="Python versions, for example '>=3.11'"),
    argument("--readme", metavar="FILE", help="long description: a .md, .rst or .txt file"),
    argument("--classifier", metavar="C", action="append", default=[], help="one of PyPI's classifiers; repeatable"),
    argument("--abi3", metavar="3.X", nargs="?", const="", help="use the stable ABI: one wheel for 3.X and newer"),
    argument("--no-stubs", action="store_true", help="make no type stubs"),
    argument("--offline", action="store_true", help="never ask a registry"),
    argument("--force", action="store_true", help="overwrite existing files with different content"),
    argument("-q", "--quiet", action="store_true", help="show neither progress nor the result"),
)
_DIRECTORY = argument("directory", metavar="DIR", help="directory of the project")
_OUTPUT = argument("-o", "--output", metavar="DIR", default="dist", help="folder for the file; by default dist")
_BACKEND = argument("--backend", metavar="B", default="maturin", help="build backend: maturin or setuptools-rust")
_TARGET = argument("--target", metavar="TRIPLE", default="", help="Rust target, for example aarch64-unknown-linux-gnu")
_PLATFORM = argument(
    "--platform",
    metavar="TAG",
    default="",
    help="tag that must be true: manylinux2014, manylinux_2_28, musllinux_1_2; linux promises nothing; by default the "
    "lowest manylinux or musllinux that auditwheel proves",
)


def _options(*more: Any) -> Callable[[Any], Any]:
    """Decorate a magic with its own options, followed by the common ones."""

    def decorate(function: Any) -> Any:
        function = no_var_expand(line_magic(function))
        for one in reversed((*more, *_COMMON)):
            function = one(function)
        return magic_arguments()(function)

    return decorate


@magics_class
class DistributionMagics(Magics):
    """The magics that export modules that the session has built.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session.
        settings: the settings; ``metadata`` among them is a table like ``[tool.pyo3magic]``.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], settings: PyO3Magic) -> None:
        super().__init__(shell)
        self._session = session
        self._settings = settings

    @_options(_OUTPUT, _TARGET, _PLATFORM)
    def pyo3_wheel(self, line: str) -> Path:
        """Write a wheel of modules that this session has built, ready to be published; returns its path.

        Metadata comes from these options, from the cells' front matter ([tool.pyo3magic], [package]) and from the
        setting PyO3Magic.metadata. Cells that the modules use are included as submodules.
        """
        arguments = parse_line(self.pyo3_wheel, line)
        with self._exporting(arguments) as (context, package):
            from pyo3magic.export.wheel import make_wheel

            written = make_wheel(
                context,
                package,
                user_path(arguments.output, "The folder of -o"),
                platform=arguments.platform,
                target=arguments.target,
                stubs=not arguments.no_stubs,
                force=arguments.force,
            )
        grafted = f"; inside: {', '.join(written.grafted)}" if written.grafted else ""
        self._show(arguments, written.path, written.tag.words() + grafted, written.size)
        return written.path

    @_options(_OUTPUT, _BACKEND)
    def pyo3_sdist(self, line: str) -> Path:
        """Write a source distribution, Cargo.lock included, which pip builds without the notebook; returns its path."""
        arguments = parse_line(self.pyo3_sdist, line)
        with self._exporting(arguments) as (context, package):
            from pyo3magic.export.sdist import make_sdist

            backend, folder = _backend(arguments), user_path(arguments.output, "The folder of -o")
            stubs = not arguments.no_stubs
            path = make_sdist(context, package, folder, backend=backend, stubs=stubs, force=arguments.force)
        self._show(arguments, path, f"source distribution, to be built by {backend}", path.stat().st_size)
        return path

    @_options(_DIRECTORY, _BACKEND)
    def pyo3_project(self, line: str) -> Path:
        """Write a project that pip builds and that a Rust developer can take over; returns its directory."""
        arguments = parse_line(self.pyo3_project, line)
        with self._exporting(arguments) as (context, package):
            from pyo3magic.export.project import make_project

            backend, folder = _backend(arguments), user_path(arguments.directory, "The project's folder")
            stubs = not arguments.no_stubs
            written = make_project(context, package, folder, backend=backend, stubs=stubs, force=arguments.force)
        self._show(arguments, written.folder, f"project of {len(written.files)} files, to be built by {backend}")
        return written.folder

    @_options()
    def pyo3_install(self, line: str) -> None:
        """Install modules of this session into the kernel's own environment, for the next session to import."""
        arguments = parse_line(self.pyo3_install, line)
        with self._exporting(arguments) as (context, package):
            import os
            import sys
            import tempfile

            from pyo3magic.export.install_wheel import install_wheel, installer
            from pyo3magic.export.wheel import make_wheel

            installer(sys.executable, os.environ)  # refuses before anything is built
            with tempfile.TemporaryDirectory(prefix="pyo3magic-") as folder:
                stubs = not arguments.no_stubs
                written = make_wheel(context, package, Path(folder), platform="linux", stubs=stubs)
                install_wheel(written.path, os.environ)
        if not arguments.quiet:
            from .display import show_note

            name = f"{package.metadata.name} {package.metadata.version}"
            show_note(self.shell, f"{name} is installed. In the next session, `import {package.module}` imports it.")

    @contextlib.contextmanager
    def _exporting(self, arguments: argparse.Namespace) -> Iterator[tuple[Context, Package]]:
        """The context and package for the arguments; errors are shown without a traceback."""
        from pyo3magic.export.select_cells import prepare_export

        from .display import Progress
        from .error_display import errors_shown

        settings = self._settings
        progress = Progress(self.shell, delay=settings.progress_delay, quiet=arguments.quiet)
        interrupted = "The export was interrupted; nothing has been written."
        with errors_shown(self.shell, "src/lib.rs of the export", interrupted=interrupted), progress:
            yield prepare_export(
                self._session(),
                tuple(arguments.modules),
                options=_metadata(arguments),
                defaults=settings.metadata,
                abi3=arguments.abi3,
                build=settings.build_options(
                    target=getattr(arguments, "target", ""), offline=arguments.offline, report=progress.report
                ),
            )

    def _show(self, arguments: argparse.Namespace, path: Path, words: str, size: int = 0) -> None:
        if not arguments.quiet:
            from .show_export import show_file

            show_file(self.shell, path, words, size)


def _metadata(arguments: argparse.Namespace) -> MetadataOptions:
    from pyo3magic.export.metadata import MetadataOptions

    return MetadataOptions(
        name=arguments.name,
        version=arguments.version,
        summary=arguments.summary,
        authors=tuple(arguments.author),
        license=arguments.license,
        requires_python=arguments.requires_python,
        readme=arguments.readme,
        classifiers=tuple(arguments.classifier),
    )


def _backend(arguments: argparse.Namespace) -> Backend:
    from pyo3magic.errors import OptionError
    from pyo3magic.export.project import BACKENDS

    for backend in BACKENDS:
        if arguments.backend == backend:
            return backend
    raise OptionError(
        f"There is no backend {arguments.backend!r}.", advice=f"The backends are {' and '.join(BACKENDS)}."
    )
