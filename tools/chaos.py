"""Kernels that build, edit, prune and export in one store, while things go wrong at random.

    python tools/chaos.py [--minutes N] [--seed N] [--kernels N] [--store DIR]

Each cell returns a number that only this version of the cell has, so each value shows whether it is right. A cell must
give its own value, or an error of pyo3magic with a sentence; a wrong or stale value, a Python traceback of the package
or a kernel that never becomes idle is a failure. The table lists what was injected, how often, and the outcomes.
"""

# ruff: noqa: INP001, T201, S311 - a script; chance is its purpose; whatever happens is counted
from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from tests.integration.kernel import Kernel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 180
_KNOWN = {
    *("BuildError", "CompileError", "DependencyError", "ImportConflictError", "Interrupted", "ResourceError"),
    *("LostCellError", "ManifestError", "OptionError", "StoreError", "ToolchainError"),
}


@dataclass
class Worker:
    """One kernel, and the values of the cells that it has run.

    Attributes:
        kernel: the kernel.
        values: the number that each function must return now.
    """

    kernel: Kernel
    values: dict[str, int] = field(default_factory=dict)


class Chaos:
    """The store, its kernels and the tally.

    Args:
        folder: where everything is; the store is a folder in it.
        environ: the kernels' environment.
        chance: the source of randomness.
        kernels: how many kernels there are.
        disk: the file system that is filled, or None.
    """

    def __init__(
        self, folder: Path, environ: dict[str, str], chance: random.Random, kernels: int, disk: Path | None
    ) -> None:
        self.folder, self.environ, self.chance, self.disk = folder, environ, chance, disk
        self.store = Path(environ["PYO3MAGIC_STORE"])
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.sentences: Counter[str] = Counter()
        self.failures: list[str] = []
        self.number = 0
        self.workers = [self.started() for _ in range(kernels)]
        self.pending: list[tuple[Worker, str, str, str, int]] = []

    def started(self) -> Worker:
        """Return a new kernel."""
        folder = self.folder / "notebook"
        folder.mkdir(exist_ok=True)
        return Worker(Kernel(folder, self.environ))

    def fresh(self) -> int:
        """Return a number that no cell has had before."""
        self.number += 1
        return self.number

    def count(self, fault: str, outcome: str, detail: str = "") -> None:
        """Count an outcome; wrong ones are kept with their details."""
        self.outcomes[fault, outcome] += 1
        if outcome.startswith("said"):
            self.sentences[f"{fault}: {detail.strip().splitlines()[0]}"] += 1
        if outcome in {"WRONG", "HUNG", "RAW"}:
            self.failures.append(f"{fault}: {outcome}: {detail}")
            print(self.failures[-1], flush=True)

    # -- cells ---------------------------------------------------------------------------------------------------------

    def edit(self, worker: Worker, fault: str, *, wait: bool = True) -> None:
        """Run a new version of a cell, or an earlier one, and check its value."""
        which = self.chance.randrange(4)
        name = f"f{which}"
        number = self.fresh() if not self.number or self.chance.random() < 0.7 else self.chance.randint(1, self.number)  # noqa: PLR2004
        lines = ("", "-m named", "--debug", "")
        body = f"pub fn {name}() -> u64 {{ {number} }}"
        if which == 3:  # noqa: PLR2004 - the cell that uses another one
            used = worker.values.get("f1")
            if used is None:
                return
            body, number = f"// {number}\npub fn {name}() -> u64 {{ named::f1() + 1000000 }}", used + 1000000
        identity = worker.kernel.submit(f"%%rust {lines[which]}".rstrip() + f"\n{body}")
        if wait:
            self.finish(worker, identity, fault, name, number)
        else:
            self.pending.append((worker, identity, fault, name, number))

    def finish(self, worker: Worker, identity: str, fault: str, name: str, number: int) -> None:
        """Wait for a cell and judge its outcome."""
        try:
            result = worker.kernel.result(identity, _PATIENCE)
        except AssertionError as error:
            self.count(fault, "HUNG", str(error))
            self.replace(worker)
            return
        if result.status == "ok":
            worker.values[name] = number
            self.look(worker, fault, name)
        elif result.ename in _KNOWN and "Traceback" not in result.text:
            self.count(fault, f"said ({result.ename})", result.text)
            self.look(worker, fault, name)
        else:
            self.count(fault, "RAW", result.text[-1500:])

    def look(self, worker: Worker, fault: str, name: str) -> None:
        """Check that a function returns what its latest cell that ran says."""
        wanted = worker.values.get(name)
        if wanted is None:
            return
        try:
            seen = worker.kernel.value(f"{name}()")
        except AssertionError as error:
            self.count(fault, "RAW", str(error)[-1500:])
            return
        self.count(fault, "right" if seen == wanted else "WRONG", f"{name}() is {seen}, not {wanted}")

    def run(self, worker: Worker, fault: str, code: str) -> None:
        """Run a magic that may fail with a sentence only."""
        try:
            result = worker.kernel.result(worker.kernel.submit(code), _PATIENCE)
        except AssertionError as error:
            self.count(fault, "HUNG", str(error))
            self.replace(worker)
            return
        fits = result.status == "ok" or (result.ename in _KNOWN and "Traceback" not in result.text)
        outcome = "right" if result.status == "ok" else f"said ({result.ename})"
        self.count(fault, outcome if fits else "RAW", result.text[-1500:])

    def replace(self, worker: Worker) -> None:
        """Kill a kernel and start another one."""
        with contextlib.suppress(Exception):
            worker.kernel.kill()
        self.workers[self.workers.index(worker)] = self.started()

    # -- faults --------------------------------------------------------------------------------------------------------

    def nothing(self, worker: Worker) -> None:
        """Edit, undisturbed."""
        self.edit(worker, "nothing")

    def together(self, _: Worker) -> None:
        """Edit in all kernels at once."""
        for other in self.workers:
            self.edit(other, "all at once", wait=False)
        self.settle()

    def settle(self) -> None:
        """Wait for all cells that run."""
        while self.pending:
            self.finish(*self.pending.pop(0))

    def interrupt(self, worker: Worker) -> None:
        """Interrupt a build."""
        self.edit(worker, "interrupted", wait=False)
        time.sleep(self.chance.uniform(0, 0.4))
        worker.kernel.interrupt()
        self.settle()
        self.edit(worker, "after an interrupt")

    def kill(self, worker: Worker) -> None:
        """Kill a kernel while all build."""
        for other in self.workers:
            self.edit(other, "beside a killed kernel", wait=False)
        self.pending = [item for item in self.pending if item[0] is not worker]
        time.sleep(self.chance.uniform(0, 0.4))
        self.replace(worker)
        self.settle()
        self.edit(self.workers[-1], "after a killed kernel")

    def damage(self, worker: Worker) -> None:
        """Cut, garble or remove files of the store."""
        files = [path for path in self.store.rglob("*") if path.is_file() and path.name != "alive"]
        for path in self.chance.sample(files, min(len(files), 5)):
            with contextlib.suppress(OSError):
                path.chmod(0o600)
                kind = self.chance.randrange(3)
                if kind == 0:
                    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
                elif kind == 1:
                    path.write_bytes(b"\0damage")
                else:
                    path.unlink()
        self.edit(worker, "damaged files")

    def remove(self, worker: Worker) -> None:
        """Remove the store under all kernels."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.edit(worker, "a removed store")
        self.edit(self.chance.choice(self.workers), "after a removed store")

    def prune(self, worker: Worker) -> None:
        """Prune or clear the store beside builds."""
        for other in self.workers:
            if other is not worker:
                self.edit(other, "beside pruning", wait=False)
        self.run(
            worker, "pruning", self.chance.choice(("%pyo3_cache --clear", "%pyo3_cache --prune 1MB", "%pyo3_cache"))
        )
        self.settle()

    def fill(self, worker: Worker) -> None:
        """Fill the disk."""
        if self.disk is None:
            return
        filler = self.disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        for other in self.workers:
            self.edit(other, "a full disk", wait=False)
        self.settle()
        filler.unlink(missing_ok=True)
        self.edit(worker, "after a full disk")

    def export(self, worker: Worker) -> None:
        """Write a wheel, and import what is in the wheel."""
        if "f1" not in worker.values:
            return
        out = self.folder / f"out{self.fresh()}"
        self.run(worker, "a wheel", f"%pyo3_wheel named -o {out}")
        for wheel in out.glob("*.whl"):
            code = f"import sys; sys.path.insert(0, {str(out / 'in')!r}); import named; print(named.f1())"
            unpack = [sys.executable, "-m", "zipfile", "-e", str(wheel), str(out / "in")]
            subprocess.run(unpack, check=True)
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=out)
            seen, wanted = done.stdout.strip(), str(worker.values["f1"])
            self.count("a wheel", "right" if seen == wanted else "WRONG", f"{seen} is not {wanted} {done.stderr}")
        shutil.rmtree(out, ignore_errors=True)

    def restart(self, worker: Worker) -> None:
        """Restart a kernel."""
        self.replace(worker)
        self.edit(self.workers[-1], "a new kernel")

    def close(self) -> None:
        """End all kernels."""
        for worker in self.workers:
            with contextlib.suppress(Exception):
                worker.kernel.close()


def main() -> int:
    """Run chaos for some time; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kernels", type=int, default=3)
    parser.add_argument("--store", type=Path, help="a store with pyo3 compiled, which is copied")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        disk = _small_disk(folder / "disk", stack)
        store = (disk or folder) / "store"
        if options.store is not None:
            shutil.copytree(options.store, store, symlinks=True)
            store.chmod(0o700)
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        environ = {**os.environ, "PYTHONPATH": path, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
        chaos = Chaos(folder, environ, chance, options.kernels, disk)
        stack.callback(chaos.close)
        faults: list[tuple[Callable[[Worker], None], int]] = [
            *((chaos.nothing, 6), (chaos.together, 3), (chaos.interrupt, 4), (chaos.kill, 3), (chaos.damage, 3)),
            *((chaos.remove, 1), (chaos.prune, 3), (chaos.fill, 2), (chaos.export, 2), (chaos.restart, 2)),
        ]
        ends = time.monotonic() + options.minutes * 60
        rounds = 0
        while time.monotonic() < ends:
            fault = chance.choices([each for each, _ in faults], [weight for _, weight in faults])[0]
            fault(chance.choice(chaos.workers))
            rounds += 1
    _report(chaos, options, rounds)
    return 1 if chaos.failures else 0


def _small_disk(folder: Path, stack: contextlib.ExitStack) -> Path | None:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "mode=700,size=1500m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print("The disk is not filled: mounting a small one needs root on Linux.")
        return None
    stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False, capture_output=True)
    return folder


def _report(chaos: Chaos, options: argparse.Namespace, rounds: int) -> None:
    print(f"\n{rounds} rounds in {options.minutes:g} minutes, seed {options.seed}, {options.kernels} kernels")
    faults = sorted({fault for fault, _ in chaos.outcomes})
    print("| injected | right | said in a sentence | wrong, raw or hung |\n|---|---|---|---|")
    for fault in faults:
        found = {outcome: count for (each, outcome), count in chaos.outcomes.items() if each == fault}
        said = sum(count for outcome, count in found.items() if outcome.startswith("said"))
        bad = sum(count for outcome, count in found.items() if outcome in {"WRONG", "RAW", "HUNG"})
        print(f"| {fault} | {found.get('right', 0)} | {said} | {bad} |")
    for sentence, count in sorted(chaos.sentences.items()):
        print(f"{count:4} {sentence[:200]}")
    for failure in chaos.failures:
        print("FAILED", failure)


if __name__ == "__main__":
    raise SystemExit(main())
