"""``pyo3magic build|info|warm|cache``: the same as the magics, from a shell."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._version import __version__
from .cell import Options
from .errors import CompileError, PyO3MagicError, resource_errors
from .settings import PyO3Magic, parse_size
from .store import Store
from .store.layers import own_folder
from .user_paths import user_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .environment.build_options import Event

__all__ = ["add_cache_options", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.verbose:
        logging.basicConfig(format="%(relativeCreated)6.0f ms %(name)s: %(message)s")
        logging.getLogger("pyo3magic").setLevel(logging.DEBUG)
    try:
        given = options.store and user_path(options.store, "The path of --store").absolute()
        folder = given or own_folder(os.environ)
        commands = {"build": _build, "info": _info, "warm": _warm, "cache": _cache}
        with resource_errors():
            return commands[options.command](options, folder)
    except PyO3MagicError as error:
        if isinstance(error, CompileError):
            from .diagnostics import render_text

            print(render_text(error.diagnostics, options.file), file=sys.stderr)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pyo3magic", description="What %%rust cells use, from a shell.")
    parser.add_argument("--version", action="version", version=f"pyo3magic {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is decided and which commands run")
    parser.add_argument(
        "--store", metavar="DIR", help="the store's folder (default: PYO3MAGIC_STORE, or the user's cache)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build a file of Rust as a module, and print the module's path")
    build.add_argument("file", metavar="FILE.rs", help="the file, with front matter if need be")
    build.add_argument("-m", "--module", metavar="NAME", help="the module's name; the file's own by default")
    build.add_argument("-o", "--output", metavar="DIR", help="copy the module into this folder")
    build.add_argument("--features", metavar="F,...", default="", help="features of the file's own package")
    build.add_argument("--native", action="store_true", help="use every instruction of this machine's processor")
    build.add_argument("--keep-gil", action="store_true", help="hold Python's lock while functions on arrays run")
    build.add_argument("--edition", metavar="E", help="Rust edition: 2015, 2018, 2021 or 2024")
    build.add_argument("--target", metavar="TRIPLE", default="", help="build for another machine")
    build.add_argument("--ufunc", metavar="SIGNATURE", nargs="?", const="", help="make NumPy ufuncs of the functions")
    build.add_argument("--parallel", action="store_true", help="with --ufunc: spread long loops over all cores")
    build.add_argument("--force", action="store_true", help="build through cargo even if the store has the module")
    _add_build_options(build)
    info = commands.add_parser("info", help="what would be used, what is missing, and how to get it")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument("--install", action="store_true", help="install Rust for this user, through rustup")
    warm = commands.add_parser("warm", help="compile pyo3, and given crates, before the first cell needs them")
    _add_build_options(warm)
    warm.add_argument("--features", metavar="F,...", default="", help="pyo3's features that cells will have")
    warm.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    cache = commands.add_parser("cache", help="show, prune or clear the store")
    add_cache_options(cache)
    return parser


def _add_build_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``build`` and ``warm`` share."""
    parser.add_argument("-d", "--dep", action="append", default=[], metavar="SPEC", help="a crate; repeatable")
    parser.add_argument("--debug", action="store_true", help="cargo's dev profile instead of an optimised build")
    parser.add_argument("--pyo3", metavar="REQ", help="pyo3 version requirement, for example 0.28")
    parser.add_argument("--python", default="", metavar="EXE", help="another Python of the same ABI")
    parser.add_argument("--offline", action="store_true", help="never ask a registry")


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``cache`` and ``%pyo3_cache`` share."""
    parser.add_argument(
        "--prune", nargs="?", const="", metavar="SIZE", help="remove the least recently used down to SIZE"
    )
    parser.add_argument("--clear", action="store_true", help="remove everything that no running kernel uses")
    parser.add_argument("--update", action="store_true", help="choose versions of dependencies anew at the next builds")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _build(options: argparse.Namespace, folder: Path) -> int:
    from .api import build
    from .diagnostics import render_text

    stem = Path(options.file).stem.replace("-", "_")
    made = build(
        file=options.file,
        module=options.module or (stem if stem.isidentifier() else None),
        dependencies=options.dep,
        debug=options.debug,
        native=options.native,
        keep_gil=options.keep_gil,
        features=_features(options),
        edition=options.edition,
        pyo3=options.pyo3,
        ufunc=options.ufunc,
        parallel=options.parallel,
        python=options.python,
        target=options.target,
        standalone=True,
        force=options.force,
        offline=options.offline,
        store=folder,
        report=_reporter(),
    )
    if made.diagnostics:
        print(render_text(made.diagnostics, options.file), file=sys.stderr)
    path = made.path
    if options.output:
        from .environment.interpreter import Interpreter

        output = user_path(options.output, "The path of --output")
        output.mkdir(parents=True, exist_ok=True)
        suffix = "".join(path.suffixes) if options.target else Interpreter.current().ext_suffix
        path = Path(shutil.copyfile(path, output / f"{made.module}{suffix}"))
    print(path)
    return 0


def _info(options: argparse.Namespace, folder: Path) -> int:
    from .info import examine

    if options.install:
        from .environment.install_rust import install_toolchain

        install_toolchain()
    report = examine(folder)
    print(json.dumps(report.to_dict(), indent=2) if options.json else report.to_text())
    return 0 if report.is_ready else 1


def _warm(options: argparse.Namespace, folder: Path) -> int:
    from .compile.warm_up import run_in_background, warm

    store, settings = Store(folder), PyO3Magic()
    if options.background:
        return run_in_background(store, settings.build_options())
    started = time.perf_counter()
    pyo3 = ("+".join(("pyo3", *_features(options))),) if options.features else ()
    cell = Options(dependencies=(*options.dep, *pyo3), debug=options.debug, pyo3=options.pyo3)
    asked = settings.build_options(python=options.python, offline=options.offline, report=_reporter())
    context, _ = warm(store, cell, asked)
    print(f"{context.interpreter.name}: warm after {time.perf_counter() - started:.1f} s ({folder})")
    return 0


def _cache(options: argparse.Namespace, folder: Path) -> int:
    from .store.upkeep import tend

    limit = None if options.prune is None else parse_size(options.prune or PyO3Magic().size_limit)
    text, data = tend(Store(folder), clear_all=options.clear, update=options.update, limit=limit)
    print(json.dumps(data, indent=2) if options.json else text)
    return 0


def _features(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(options.features.replace(",", " ").split())


def _reporter() -> Callable[[Event], None]:
    """Print each new step of a build as a line on standard error."""
    shown = ""

    def report(event: Event) -> None:
        nonlocal shown
        text = f"{event.kind} {event.done}/{event.total} {event.text}" if event.total else f"{event.kind} {event.text}"
        if text != shown:
            shown = text
            print(text, file=sys.stderr)

    return report


if __name__ == "__main__":
    sys.exit(main())
