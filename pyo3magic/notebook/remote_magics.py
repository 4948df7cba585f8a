"""``%pyo3_connect`` and ``%rust_on``: connect remote kernels, and show their output. No logic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from pyo3magic.errors import OptionError

from .error_display import errors_without_traceback
from .magic_line import parse_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.cell import Options
    from pyo3magic.environment.build_options import BuildOptions
    from pyo3magic.remote.clusters import ClusterTarget
    from pyo3magic.remote.deploy import Deployment
    from pyo3magic.remote.evaluation import Evaluation
    from pyo3magic.remote.target import Target
    from pyo3magic.session import Session
    from pyo3magic.settings import PyO3Magic

__all__ = ["TargetMagics"]


@magics_class
class TargetMagics(Magics):
    """The magics for other kernels.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session, which builds the modules.
        settings: the settings.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], settings: PyO3Magic) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self._session = session
        self._settings = settings
        self.targets: dict[str, Target] = {}
        self._clusters: list[tuple[object, ClusterTarget]] = []

    def close(self) -> None:
        """Close every connection."""
        self._clusters.clear()
        for target in self.targets.values():
            target.close()
        self.targets.clear()

    @magic_arguments("pyo3_connect")
    @argument(
        "name", nargs="?", metavar="NAME", help="the kernel's name after --on; without a name, all kernels are listed"
    )
    @argument("address", nargs="?", metavar="CONNECTION_FILE|URL", help="a kernel's connection file, or a server's URL")
    @argument("--ssh", metavar="USER@HOST", default="", help="reach the kernel through an ssh tunnel to that machine")
    @argument("--token", default="", help="the Jupyter server's token (default: JUPYTER_TOKEN, or a prompt)")
    @argument("--kernel", metavar="ID|NAME", default="", help="which of the server's kernels")
    @argument("--start", action="store_true", help="start a kernel of that name if no such kernel runs")
    @argument("--close", action="store_true", help="close the connection to NAME")
    @line_magic("pyo3_connect")  # type: ignore[arg-type]
    def connect(self, line: str) -> Any:
        """Connect a remote kernel under a name for ``%%rust --on``, or list the connected kernels."""
        from pyo3magic.remote.connect import connect
        from pyo3magic.remote.target import Deadline

        from .display import Shown

        arguments = parse_line(self.connect, line)
        with errors_without_traceback():
            if arguments.name is None:
                return Shown(self._table())
            if arguments.close:
                self._named(arguments.name).close()
                del self.targets[arguments.name]
                return Shown(f"{arguments.name} is closed.")
            if arguments.address is None:
                return Shown(self._row(arguments.name, self._named(arguments.name)))
            if not arguments.name.isidentifier():
                raise OptionError(f"{arguments.name!r} cannot be a kernel's name.", advice="Use a Python identifier.")
            is_server = arguments.address.startswith(("http://", "https://"))
            target = connect(
                arguments.address,
                Deadline.after(self._timeout),
                ssh=arguments.ssh,
                token=(arguments.token or _token()) if is_server else arguments.token,
                kernel=arguments.kernel,
                start=arguments.start,
            )
            try:
                target.probe(Deadline.after(self._timeout))
            except BaseException:
                target.close()
                raise
            previous = self.targets.pop(arguments.name, None)
            if previous is not None:
                previous.close()
            self.targets[arguments.name] = target
            return Shown(self._row(arguments.name, target))

    @no_var_expand
    @line_cell_magic("rust_on")  # type: ignore[arg-type]
    def evaluate(self, line: str, cell: str | None = None) -> None:
        """Evaluate Python in a remote kernel, ``%rust_on NAME expression``, and show its output here."""
        from pyo3magic.remote.target import Deadline

        name, _, expression = line.strip().partition(" ")
        code = "\n".join(filter(None, (expression, cell)))
        with errors_without_traceback("Interrupted; the code may still be running in the other kernel."):
            target = self._target(name)
            if not code.strip():
                raise OptionError("There is nothing to evaluate.", advice=f"Write for example: %rust_on {name} 1 + 1")
            evaluation = target.evaluate(code, Deadline.after(self._timeout))
            self._show(evaluation)

    def deploy(self, expression: str, options: Options, body: str, build: BuildOptions, *, label: str) -> Deployment:
        """Build a cell for the target that ``--on`` names, and import it there.

        With a cluster, and with ``here``, the cell is run in this kernel too, so its functions can be given to ``map``;
        they pickle as the functions that the workers have.

        Raises:
            PyO3MagicError: the build or the target failed.
        """
        from pyo3magic.remote.deploy import Deployment, deploy
        from pyo3magic.remote.local import ThisKernel

        if build.python:
            raise OptionError("--on builds for the target's own Python.", advice="Leave out --python.")
        target = self._target(expression)
        session = self._session()
        outcome = session.run(options, body, build, label=label) if expression not in self.targets else None
        deployed = deploy(
            session,
            options,
            body,
            target,
            build,
            timeout=self._timeout,
            here=outcome.artifact if outcome is not None else None,
            linked=isinstance(target, ThisKernel),
            label=label,
        )
        return Deployment(expression, deployed, outcome)

    @property
    def _timeout(self) -> float:
        return self._settings.remote_timeout

    def _target(self, expression: str) -> Target:
        if expression in self.targets:
            return self.targets[expression]
        from pyo3magic.remote.clusters import cluster_target
        from pyo3magic.remote.engines import missing_engine
        from pyo3magic.remote.local import HERE, ThisKernel

        if expression == HERE and HERE not in self.shell.user_ns:
            return ThisKernel(self._session().store, self.shell.user_ns)
        try:
            value = self.shell.ev(expression)
        except Exception as error:  # noqa: BLE001 - it is the user's expression
            if missing := missing_engine(expression, error):
                raise missing from None
            if expression.isidentifier():
                return self._named(expression)  # says which there are
            raise OptionError(
                f"--on {expression}: {type(error).__name__}: {error}",
                advice="Give the name of a kernel that %pyo3_connect knows, or a cluster's client or view.",
            ) from None
        for known, target in self._clusters:
            if known is value:
                return target
        self._clusters.append((value, cluster_target(value)))
        return self._clusters[-1][1]

    def _named(self, name: str) -> Target:
        if name not in self.targets:
            known = ", ".join(self.targets) or "none"
            raise OptionError(
                f"No remote kernel is named {name!r}. Connected: {known}.",
                advice=f"Connect one: %pyo3_connect {name or 'NAME'} CONNECTION_FILE",
            )
        return self.targets[name]

    def _table(self) -> str:
        if not self.targets:
            return "No remote kernel is connected. Connect one: %pyo3_connect NAME CONNECTION_FILE"
        return "\n".join(self._row(name, target) for name, target in self.targets.items())

    def _row(self, name: str, target: Target) -> str:
        from pyo3magic.remote.target import Deadline

        it = target.describe(Deadline.after(min(self._timeout, 5.0)))
        return f"{name}: {it.kind} at {it.address}, {it.interpreter or 'unknown interpreter'}; {it.state}"

    def _show(self, evaluation: Evaluation) -> None:
        import sys

        from IPython.display import display

        from pyo3magic.remote.target import TargetError

        for output in evaluation.outputs:
            if output.kind in {"stdout", "stderr"}:
                stream = sys.stdout if output.kind == "stdout" else sys.stderr
                stream.write(output.text)
            elif output.kind == "error":
                raise TargetError(f"The code failed in that kernel:\n{output.text}")
            else:
                display(dict(output.data), raw=True)


def _token() -> str:
    """The server's token, from JUPYTER_TOKEN or a prompt that does not echo."""
    if token := os.environ.get("JUPYTER_TOKEN", ""):
        return token
    from getpass import getpass

    return getpass("Token of the Jupyter server: ")
