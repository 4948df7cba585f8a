"""This kernel as a target: ``--on here``."""

from __future__ import annotations

import ast
import io
import os
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.errors import PyO3MagicError
from pyo3magic.session.load import bind_module, check_free, load

from .evaluation import Evaluation, Output
from .target import Description, Receipt, TargetImportError, TargetMismatchError

if TYPE_CHECKING:
    from pyo3magic.store import Artifact, Store

    from .target import Deadline, Shipment

__all__ = ["HERE", "ThisKernel"]

HERE = "here"
"""This kernel's name after ``--on``."""


class ThisKernel:
    """A `Target` that is this process. Nothing is sent: modules are loaded from the store, as without ``--on``.

    Args:
        store: the store with the modules.
        namespace: the namespace in which names are bound and code is evaluated.
    """

    def __init__(self, store: Store, namespace: dict[str, Any]) -> None:
        self._store = store
        self._namespace = namespace

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        """The running interpreter."""
        del deadline
        return (Interpreter.current(),)

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Check that the store has the module.

        Raises:
            TargetMismatchError: the module was built for another interpreter.
            TargetImportError: the store lacks the module, or has a different build.
        """
        del deadline
        if shipment.interpreter.identity != Interpreter.current().identity:
            raise TargetMismatchError(
                f"{shipment.module} is built for {shipment.interpreter.name}, but this kernel is a different Python.",
                advice="Build it for this one: run the cell without --on.",
            )
        self._artifact(shipment)
        return Receipt()

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Import the module and bind its names, all or none.

        Raises:
            TargetImportError: Python cannot import the module, or another module has its name.
        """
        del deadline
        artifact = self._artifact(shipment)
        try:
            if shipment.alias:
                check_free(shipment.alias)
            module = load(artifact)
            exported = module.exports()
            bound = {name: exported[name] for name in shipment.names or exported}
            if shipment.alias:
                bind_module(module, shipment.alias)
                bound[shipment.alias] = module.module
        except PyO3MagicError as error:
            raise TargetImportError(error.message, advice=error.advice) from error
        except KeyError as error:
            raise TargetImportError(f"The module has no {error}.", advice="Run the cell again.") from None
        self._namespace.update(bound)
        return tuple(sorted(bound))

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Run code in the namespace; only an interrupt stops it, not the deadline."""
        del deadline
        out, err = io.StringIO(), io.StringIO()
        last: list[Output] = []
        with redirect_stdout(out), redirect_stderr(err):
            try:
                value = _run(code, self._namespace)
                if value is not None:
                    last = [Output("result", {"text/plain": repr(value)})]
            except Exception as error:  # noqa: BLE001 - it is the user's code, and shown
                last = [Output("error", {"text/plain": _traceback(error)})]
        streams = (Output("stdout", {"text/plain": out.getvalue()}), Output("stderr", {"text/plain": err.getvalue()}))
        return Evaluation(
            (*filter(lambda output: output.text, streams), *last), not any(output.kind == "error" for output in last)
        )

    def describe(self, deadline: Deadline) -> Description:
        """This process."""
        del deadline
        return Description("this kernel", f"process {os.getpid()}", "answers", Interpreter.current().name)

    def close(self) -> None:
        """Do nothing: loaded modules stay."""

    def _artifact(self, shipment: Shipment) -> Artifact:
        artifact = self._store.get(shipment.file.path.parent.name)
        if artifact is None or artifact.file != shipment.file.path or artifact.sha256 != shipment.file.sha256:
            raise TargetImportError(
                f"The store lacks {shipment.module}, or has a different build of it.", advice="Run the cell again."
            )
        return artifact


def _traceback(error: Exception) -> str:
    """An error's traceback without the frames of this module."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _run(code: str, namespace: dict[str, Any]) -> object:
    """Run code; return the value of its last expression."""
    tree = ast.parse(code)
    end = tree.body[-1] if tree.body else None
    if not isinstance(end, ast.Expr):
        exec(compile(tree, "<rust_on>", "exec"), namespace)  # noqa: S102 - what the user asks for
        return None
    tree.body = tree.body[:-1]
    exec(compile(tree, "<rust_on>", "exec"), namespace)  # noqa: S102
    return eval(compile(ast.Expression(end.value), "<rust_on>", "eval"), namespace)  # noqa: S307
