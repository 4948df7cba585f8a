"""Ask another Python for its facts."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import InterpreterError
from pyo3magic.process import ask
from pyo3magic.user_paths import user_path

from .interpreter_checks import OLDEST_PYTHON, TOO_OLD

if TYPE_CHECKING:
    from pyo3magic.process import Finished

__all__ = ["probe", "probe_source"]

_WHICH = "Give --python the path of a Python executable, for example in the bin folder of an environment."
# Python 2 and other old versions must be able to run this far and print their version.
_BOOTSTRAP = """import sys
if sys.version_info < {oldest!r}: sys.stdout.write("old " + sys.version.split()[0])
else: exec({source!r})"""


def probe(executable: str | Path, timeout: float) -> dict[str, object]:
    """Ask another Python for its facts.

    Args:
        executable: its path, or its name on PATH.
        timeout: seconds to wait for the answer.

    Returns:
        Its answer, unchecked.

    Raises:
        InterpreterError: the file does not exist, cannot be started, is not Python, is too old, or does not answer.
    """
    path = _find_executable(executable)
    try:
        answer = ask(
            [path, "-I", "-S", "-c", _BOOTSTRAP.format(oldest=OLDEST_PYTHON, source=probe_source())], timeout=timeout
        )
    except TimeoutError:
        message = f"{path} did not answer within {timeout:g} seconds."
        raise InterpreterError(message, advice=_WHICH) from None
    except OSError as error:
        message = f"{path} cannot be started: {error.strerror or error}."
        raise InterpreterError(message, advice=_WHICH) from None
    return _parse(path, answer)


@functools.cache
def probe_source() -> str:
    """Return a script for Python 3.7 or later that prints the facts as JSON, with the standard library only."""
    source = Path(__file__).with_name("interpreter_facts.py").read_text(encoding="utf-8")
    return f"{source}\nimport json\nprint(json.dumps(collect_facts()))\n"


def _find_executable(executable: str | Path) -> Path:
    named = user_path(executable, "The Python to build for")
    text = os.fspath(executable)
    if os.path.basename(text) == text:  # noqa: PTH119  # Path("./python").name would lose the "./"
        found = shutil.which(text)
        if found is None:
            raise InterpreterError(f"There is no Python called {text!r} on PATH.", advice=_WHICH)
        return Path(found)
    path = named.absolute()
    problem = ""
    if path.is_dir():
        problem = "is a folder, not a Python executable"
    elif not path.exists():
        problem = "does not exist"
    elif not os.access(path, os.X_OK):
        problem = "is not executable"
    if problem:
        raise InterpreterError(f"{path} {problem}.", advice=_WHICH)
    return path


def _parse(path: Path, answer: Finished) -> dict[str, object]:
    lines = answer.stdout.strip().splitlines()
    last = lines[-1] if lines else ""
    if last.startswith("old ") or "Unknown option: -I" in answer.stderr:  # Python 2 does not know -I
        version = last.removeprefix("old ") or "2"
        raise InterpreterError(f"{path} is Python {version:.20}, which is too old.", advice=TOO_OLD)
    said = (answer.stderr.strip().splitlines() or [last])[-1]
    if answer.status:
        message = f"{path} is not a working Python: it ended with code {answer.status}"
        raise InterpreterError(f"{message} and said: {said:.200}" if said else f"{message}.", advice=_WHICH)
    try:
        facts = json.loads(last)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InterpreterError(f"{path} is not Python: asked for its facts, it printed {last!r:.80}.", advice=_WHICH)
    return facts
