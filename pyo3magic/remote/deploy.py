"""Put a cell on a target: probe the target, build for its interpreter, ship the module, import it, bind its names."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.triples import triple_of

from .target import Deadline, Shipment, ShippedCell, ShippedFile

if TYPE_CHECKING:
    from pyo3magic.cell import Options
    from pyo3magic.session import Outcome, Session
    from pyo3magic.store import Artifact, Store

    from .target import Receipt, Target

__all__ = ["Deployed", "Deployment", "deploy"]

_UNNAMED = re.compile(r"cell_[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A cell on one of a target's platforms.

    Attributes:
        interpreter: the platform's interpreter.
        artifact: the build for that interpreter.
        names: the names that are bound there.
        receipt: the files that had to be sent.
    """

    interpreter: Interpreter
    artifact: Artifact
    names: tuple[str, ...]
    receipt: Receipt

    @property
    def text(self) -> str:
        """A sentence for the user: the interpreter, the names, and how much was sent."""
        kilobytes = self.receipt.sent_bytes / 1000
        sent = f"{kilobytes:,.0f} kB sent" if self.receipt.sent else "it was there already"
        names = ", ".join(self.names) or "nothing"
        return f"{self.interpreter.name}: {names} bound, {sent}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The result of ``--on``.

    Attributes:
        expression: the target as the user wrote it.
        deployed: the cell on each of the target's platforms.
        outcome: the cell in this kernel, if it was run here too.
    """

    expression: str
    deployed: tuple[Deployed, ...]
    outcome: Outcome | None

    @property
    def text(self) -> str:
        """A line for the user about each platform."""
        return "\n".join(f"{self.expression} ({each.text})" for each in self.deployed)


def deploy(
    session: Session,
    options: Options,
    body: str,
    target: Target,
    build: BuildOptions = DEFAULTS,
    *,
    timeout: float,
    here: Artifact | None = None,
    linked: bool = False,
    label: str = "the cell",
) -> tuple[Deployed, ...]:
    """Build a cell for each kind of interpreter a target has, and import it there.

    Args:
        session: builds the cell and keeps it.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        target: where the module is wanted.
        build: options of the build.
        timeout: seconds for probing, and again for shipping and importing; building has no limit.
        here: the cell's module in this kernel, if functions and classes there must pickle as the same objects.
        linked: whether the target has the store's files, and so can load a module that is linked with them.
        label: the cell's label in panic messages, ``In[3]``.

    Raises:
        TargetError: the target failed.
        PyO3MagicError: the build failed.
    """
    interpreters = target.probe(Deadline.after(timeout))
    ready = here if here is not None and (linked or not (here.providers or here.cells)) else None

    def built(interpreter: Interpreter) -> Artifact:
        if ready is not None and ready.interpreter == interpreter.identity:
            return ready
        its_own = dataclasses.replace(build, target=_triple(interpreter))
        return session.build(options, body, its_own, interpreter=interpreter, shipped=here is None)

    artifacts = [built(interpreter) for interpreter in interpreters]
    deadline = Deadline.after(timeout)
    deployed = []
    for interpreter, artifact in zip(interpreters, artifacts, strict=True):
        used = _used(session.store, artifact)
        shipment = Shipment(
            module=artifact.module,
            file=ShippedFile.of(artifact.file),
            interpreter=interpreter,
            beside=_beside(artifact, used),
            alias=options.module or ("" if _UNNAMED.fullmatch(artifact.module) else artifact.module),
            reference=here.alias if here is not None else "",
            cells=tuple(
                ShippedCell(cell.module, cell.sha256, cell.module if cell.digest in artifact.cells.values() else "")
                for cell in used
            ),
            sources=session.panic_sources(artifact, label, options),
        )
        receipt = target.ship(shipment, deadline)
        deployed.append(Deployed(interpreter, artifact, target.load(shipment, deadline), receipt))
    return tuple(deployed)


def _triple(interpreter: Interpreter) -> str:
    """The Rust target of an interpreter; empty for a machine like this one, which needs no cross toolchain."""
    current = Interpreter.current()
    alike = ("platform", "machine", "pointer_width")
    same_machine = all(getattr(interpreter, name) == getattr(current, name) for name in alike)
    same_libc = (interpreter.libc or ("", ""))[0] == (current.libc or ("", ""))[0]
    return "" if same_machine and same_libc else triple_of(interpreter)


def _used(store: Store, artifact: Artifact) -> tuple[Artifact, ...]:
    """The cells that a linked cell uses, directly or not, each after the cells that it uses itself."""
    found: dict[str, Artifact] = {}
    if artifact.providers:
        for name, digest in artifact.cells.items():
            cell = store.need(name, digest)
            found |= {each.digest: each for each in (*_used(store, cell), cell)}
    return tuple(found.values())


def _beside(artifact: Artifact, used: tuple[Artifact, ...]) -> tuple[ShippedFile, ...]:
    """The files that a linked cell needs in its folder: shared libraries, Rust's own among them, and cells."""
    providers = dict.fromkeys(Path(file).parent for each in (*used, artifact) for file, _ in each.providers)
    libraries = [file for folder in providers for file in sorted(folder.glob("*.so"))]
    return tuple(ShippedFile.of(file) for file in (*libraries, *(cell.file for cell in used)))
