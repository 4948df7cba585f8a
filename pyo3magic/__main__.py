"""``python -m pyo3magic info|warm|cache``: the same as the magics, from a shell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .cell import Options
from .errors import PyO3MagicError
from .settings import parse_size, store_folder
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .environment.context import Event

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    folder = Path(options.store).absolute() if options.store else store_folder(os.environ)
    try:
        commands = {"info": _info, "warm": _warm, "cache": _cache}
        return commands[options.command](options, folder)
    except PyO3MagicError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyo3magic", description="Look after what %%rust cells use.")
    parser.add_argument(
        "--store", metavar="DIR", help="the store's folder (default: PYO3MAGIC_STORE, or the user's cache)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="what would be used, what is missing, and how to get it")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument("--install", action="store_true", help="install Rust for this user, through rustup")
    warm = commands.add_parser("warm", help="compile pyo3, and given crates, before the first cell needs them")
    warm.add_argument("-d", "--dep", action="append", default=[], metavar="SPEC", help="a crate to compile too")
    warm.add_argument("--debug", action="store_true", help="for cells built with --debug")
    warm.add_argument("--python", default="", metavar="EXE", help="another Python of the same ABI")
    warm.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    cache = commands.add_parser("cache", help="show, prune or clear the store")
    add_cache_options(cache)
    return parser


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``cache`` and ``%pyo3_cache`` share."""
    parser.add_argument(
        "--prune", nargs="?", const="", metavar="SIZE", help="remove the least recently used down to SIZE"
    )
    parser.add_argument("--clear", action="store_true", help="remove everything that no running kernel uses")
    parser.add_argument("--update", action="store_true", help="choose versions of dependencies anew at the next builds")
    parser.add_argument("--json", action="store_true", help="as JSON")


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

    store = Store(folder)
    if options.background:
        return run_in_background(store)
    started = time.perf_counter()
    shown = ""

    def report(event: Event) -> None:
        nonlocal shown
        text = f"{event.kind} {event.done}/{event.total} {event.text}" if event.total else f"{event.kind} {event.text}"
        if text != shown:
            shown = text
            print(text, file=sys.stderr)

    context, _ = warm(
        store,
        options=Options(dependencies=tuple(options.dep), debug=options.debug),
        python=options.python,
        report=report,
    )
    print(f"{context.interpreter.name}: warm after {time.perf_counter() - started:.1f} s ({folder})")
    return 0


def _cache(options: argparse.Namespace, folder: Path) -> int:
    from .store.upkeep import tend

    text, data = tend(
        Store(folder),
        clear_all=options.clear,
        update=options.update,
        limit=None
        if options.prune is None
        else parse_size(options.prune or os.environ.get("PYO3MAGIC_SIZE_LIMIT", "20GB")),
    )
    print(json.dumps(data, indent=2) if options.json else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
