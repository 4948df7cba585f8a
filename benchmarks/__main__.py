"""``python -m benchmarks``: measure everything in one interleaved run, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import arrays, assist, calls, linked, loop, ufuncs
from .bench import Bench
from .peers import Unavailable
from .report import to_dict, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .report import Result

_MEASUREMENTS: dict[str, Callable[[Bench], Result]] = {
    "edit": loop.edit,
    "unchanged": loop.unchanged,
    "kernel": loop.new_kernel,
    "disk": loop.disk,
    "linked": linked.edit,
    "chain": linked.chain,
    "linked-call": linked.call,
    "call": calls.call,
    "fib": calls.fib,
    "ufunc": ufuncs.ufunc,
    "completion": assist.completion,
    "arrays": arrays.loops_on_arrays,
    "array-call": arrays.call_with_array,
    "cold": loop.cold,
}
_RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurements that were asked for."""
    options = _parser().parse_args(arguments)
    chosen = options.only or [name for name in _MEASUREMENTS if name != "cold" or options.cold]
    bench = Bench(_folder(options.work), 3 if options.quick else options.rounds, peers=not options.quick)
    results, skipped = [], []
    for name in chosen:
        try:
            result = _MEASUREMENTS[name](bench)
        except Unavailable as error:
            skipped.append(f"{name}: {error}")
            print(f"{name} is left out: {error}\n")
            continue
        results.append(result)
        print(to_text(result) + "\n", flush=True)
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    data = {"rounds": bench.rounds, "pyo3": bench.pyo3, **machine, "skipped": skipped, "results": to_dict(results)}
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    print(f"Written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each measurement (default: 15)")
    parser.add_argument(
        "--only", nargs="+", choices=_MEASUREMENTS, metavar="NAME", help=f"of {', '.join(_MEASUREMENTS)}"
    )
    parser.add_argument("--cold", action="store_true", help="measure builds with nothing compiled too (minutes)")
    parser.add_argument("--quick", action="store_true", help="three rounds, without other tools")
    parser.add_argument("--work", metavar="DIR", help="cache folder for stores, target folders and other tools")
    return parser


def _folder(chosen: str | None) -> Path:
    if chosen:
        return Path(chosen).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pyo3magic-benchmarks", appauthor=False))


if __name__ == "__main__":
    sys.exit(main())
