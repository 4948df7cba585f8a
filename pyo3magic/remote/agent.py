"""Runs in a remote kernel or worker: receives files, imports modules, binds names. Sent as source, never imported here.

Python 3.8 and later, standard library only. Requests arrive as calls of `call` in `user_expressions`, chunks of files
as comm messages. An answer is JSON in base64, whose `repr` can be read without a parser.
"""
# ruff: noqa: PTH105, PTH108, PTH110, PTH112, PTH118, PTH123

from __future__ import annotations

import ast
import atexit
import base64
import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
import traceback
from contextlib import redirect_stdout
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Agent", "call"]

COMM_TARGET = "pyo3magic"
FOLDER_PREFIX = "pyo3magic-agent-"
LEFTOVER_AGE = 24 * 3600
SPARE_SPACE = 1 << 20
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
DIGEST = re.compile(r"[0-9a-f]{64}")
panics: Any = globals().get("panics")  # sent with this file (`agent_source.py`)
panic_hints: Any = globals().get("panic_hints")


class Refusal(Exception):
    """Why a request cannot be fulfilled: a word for the client, and a sentence for its user."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Transfer:
    """A file that is being received: written and hashed chunk by chunk, and removed on any error."""

    def __init__(self, path: str, digest: str, size: int, not_after: float) -> None:
        self.path = path
        self.digest = digest
        self.size = size
        self.not_after = not_after
        self.received = 0
        self.chunks = 0
        self.refusal: Refusal | None = None
        self.hash = hashlib.sha256()
        self.file = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb", 0
        )

    def add(self, index: object, sha256: object, chunk: bytes) -> None:
        """Take one chunk; a wrong chunk ends the transfer and sets `refusal`."""
        if self.refusal is not None:
            return
        if time.monotonic() > self.not_after:
            self.refusal = Refusal("late", "the chunk came after the deadline")
        elif index != self.chunks or self.received + len(chunk) > self.size:
            self.refusal = Refusal("damaged", f"chunk {index} came where chunk {self.chunks} was due")
        elif hashlib.sha256(chunk).hexdigest() != sha256:
            self.refusal = Refusal("damaged", f"chunk {index} differs from its signed digest")
        else:
            self.write(chunk)
        if self.refusal is not None:
            self.drop()

    def write(self, chunk: bytes) -> None:
        """Append to the file."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[self.file.write(view) :]
        except OSError as error:
            self.refusal = Refusal("storage", f"writing failed: {error}")
            return
        self.hash.update(chunk)
        self.received += len(chunk)
        self.chunks += 1

    def drop(self) -> None:
        """Close and remove the file."""
        self.file.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


class Agent:
    """The files that this process has received, by digest, and the modules that it has imported."""

    def __init__(self) -> None:
        self.instance = secrets.token_hex(16)
        self.process = os.getpid()
        self.folder: str | None = None
        self.lock: IO[str] | None = None
        self.files: dict[str, str] = {}
        self.transfers: dict[str, Transfer] = {}
        self.modules: dict[tuple[str, str], Any] = {}
        self.libraries: dict[str, str] = {}
        self.facts: object = None

    # -- requests ------------------------------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, object]:
        """Fulfil a request; return its result.

        Raises:
            Refusal: the request cannot be fulfilled; nothing was changed.
        """
        if request["op"] != "hello" and request.get("instance", self.instance) != self.instance:
            raise Refusal("instance", "the kernel was restarted")
        if time.monotonic() > request.get("not_after", float("inf")):
            raise Refusal("late", "the request came after the deadline")
        operation = getattr(self, "on_" + request["op"])
        result: dict[str, object] = operation(**request.get("arguments", {}))
        return result

    def on_hello(self) -> dict[str, object]:
        """This agent's id, its clock, and whether it takes comm messages."""
        return {"instance": self.instance, "now": time.monotonic(), "comms": comms_registered}

    def on_probe(self, source: str) -> dict[str, object]:
        """The output of the interpreter probe."""
        captured = io.StringIO()
        with redirect_stdout(captured):
            exec(compile(source, "<pyo3magic probe>", "exec"), {"__name__": "__main__"})  # noqa: S102 (our own probe)
        return {"output": captured.getvalue()}

    def on_missing(self, files: dict[str, int]) -> dict[str, object]:
        """The digests of missing files, after a check that the disk has room for them.

        Args:
            files: sizes by digest.
        """
        missing = [digest for digest in files if not self.has(digest)]
        needed = sum(files[digest] for digest in missing)
        if missing:
            free = shutil.disk_usage(self.own_folder()).free
            if free < needed + SPARE_SPACE:
                raise Refusal("storage", f"{needed} bytes are needed in {self.folder}, and {free} are free")
        return {"missing": missing}

    def on_status(self, source: str) -> dict[str, object]:
        """The output of the interpreter probe, and the digests of the files that are here."""
        if self.facts is None:
            self.facts = self.on_probe(source)["output"]
        return {"output": self.facts, "files": [digest for digest in self.files if self.has(digest)]}

    def is_like(self, source: str, facts: dict[str, object]) -> bool:
        """Whether this interpreter has these facts; a worker that joins a cluster may have another platform."""
        found = json.loads(str(self.on_status(source)["output"]).strip().splitlines()[-1])
        return all(found.get(name) == value for name, value in facts.items())

    def on_evaluate(self, code: str) -> dict[str, object]:
        """Run code in the user's namespace; return its output, and its last expression's value or its traceback."""
        captured, value, failed = io.StringIO(), "", False
        tree = ast.parse(code)
        end = tree.body[-1] if tree.body else None
        last = ast.Expression(end.value) if isinstance(end, ast.Expr) else None
        tree.body = tree.body[:-1] if last is not None else tree.body
        with redirect_stdout(captured):
            try:
                exec(compile(tree, "<rust_on>", "exec"), user_namespace())  # noqa: S102 (what the user asks for)
                if last is not None:
                    result = eval(compile(last, "<rust_on>", "eval"), user_namespace())  # noqa: S307
                    value = "" if result is None else repr(result)
            except Exception:  # noqa: BLE001 (it is shown where it was asked for)
                value, failed = traceback.format_exc(), True
        return {"stdout": captured.getvalue(), "value": value, "failed": failed}

    def put(self, digest: str, data: bytes) -> None:
        """Keep a whole file that came in one piece.

        Raises:
            Refusal: the file is damaged, or cannot be written.
        """
        if self.has(digest):
            return
        transfer = secrets.token_hex(16)
        self.on_begin(transfer, digest, len(data), float("inf"))
        self.transfers[transfer].add(0, hashlib.sha256(data).hexdigest(), data)
        self.on_end(transfer)

    def on_begin(self, transfer: str, digest: str, size: int, not_after: float) -> dict[str, object]:
        """Open a transfer."""
        for other in [name for name, it in self.transfers.items() if time.monotonic() > it.not_after]:
            self.transfers.pop(other).drop()
        if not DIGEST.fullmatch(digest) or transfer in self.transfers:
            raise Refusal("damaged", "a malformed transfer")
        path = os.path.join(self.own_folder(), f"incoming-{secrets.token_hex(8)}.part")
        try:
            self.transfers[transfer] = Transfer(path, digest, size, not_after)
        except OSError as error:
            raise Refusal("storage", f"writing failed: {error}") from error
        return {}

    def on_chunk(self, transfer: str, index: int, sha256: str, data: str) -> dict[str, object]:
        """A chunk in base64, for kernels without comms."""
        self.transfers[transfer].add(index, sha256, base64.b64decode(data))
        return self.on_received(transfer)

    def on_received(self, transfer: str) -> dict[str, object]:
        """The number of bytes that have arrived."""
        it = self.transfers.get(transfer)
        if it is None:
            raise Refusal("damaged", "the transfer is unknown")
        if it.refusal is not None:
            self.transfers.pop(transfer).drop()
            raise it.refusal
        return {"received": it.received}

    def on_end(self, transfer: str) -> dict[str, object]:
        """Check a complete file and keep it."""
        result = self.on_received(transfer)
        it = self.transfers.pop(transfer)
        it.file.close()
        if it.received != it.size or it.hash.hexdigest() != it.digest:
            it.drop()
            raise Refusal("damaged", f"{it.received} of {it.size} bytes arrived, or their digest differs")
        path = os.path.join(self.own_folder(), it.digest)
        os.replace(it.path, path)
        self.files[it.digest] = path
        return result

    def on_abandon(self, transfer: str) -> dict[str, object]:
        """Drop a transfer."""
        it = self.transfers.pop(transfer, None)
        if it is not None:
            it.drop()
        return {}

    def on_load(
        self,
        module: str,
        file: str,
        beside: list[list[str]],
        names: list[str],
        alias: str,
        reference: str = "",
        cells: Sequence[list[str]] = (),
        sources: Sequence[tuple[str, str, int]] = (),
        *,
        worker: bool = False,
    ) -> dict[str, object]:
        """Import a module from received files, and bind its names in the user's namespace, all or none.

        Without names, the module's ``__all__`` or its public names are bound. The cells that the module uses (module,
        file, and the name to bind or an empty string) are imported first; their files are in ``beside``. Panics name
        the sources; in a worker they become exceptions that can be sent back.
        """
        missing = [digest for _, digest in [["", file], *beside] if not self.has(digest)]
        if missing:
            return {"missing": missing}
        mentioned = [module, *names, alias, *(part for cell in cells for part in cell[::2])]
        for name in filter(None, mentioned):
            if not name.isidentifier():
                raise Refusal("import", f"{name!r} is not a name")
        used = {name: self.module(cell, digest, beside) for cell, digest, name in cells}
        used.pop("", None)
        loaded = self.module(module, file, beside)
        if panics is not None:
            panics.watch_file(loaded.__file__, sources, panic_hints.hint_for, worker=worker)
        names = names or [name for name in getattr(loaded, "__all__", dir(loaded)) if not name.startswith("__")]
        absent = [name for name in names if not hasattr(loaded, name)]
        if absent:
            raise Refusal("import", "the module has no " + ", ".join(absent))
        bound = {**used, **{name: getattr(loaded, name) for name in names}}
        sys.modules.update(used)
        sys.modules[module] = loaded
        if reference:
            sys.modules[reference] = loaded
            adopt(loaded, reference)
        if alias:
            sys.modules[alias] = bound[alias] = loaded
        user_namespace().update(bound)
        return {"missing": [], "bound": sorted(bound)}

    # -- files ---------------------------------------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Whether a verified file of this digest is still here."""
        return digest in self.files and os.path.exists(self.files[digest])

    def own_folder(self) -> str:
        """This process's private folder, created when first needed; folders of killed processes are removed."""
        if self.folder is None or not os.path.isdir(self.folder):
            sweep(tempfile.gettempdir())
            try:
                self.folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX)
                self.lock = hold(self.folder)
            except OSError as error:
                raise Refusal("storage", f"no folder can be created: {error}") from error
            atexit.register(self.remove_folder)
        return self.folder

    def remove_folder(self) -> None:
        """At exit, unless this is a forked child."""
        if self.folder is not None and os.getpid() == self.process:
            shutil.rmtree(self.folder, ignore_errors=True)

    def module(self, module: str, file: str, beside: list[list[str]]) -> Any:
        """The module in a file; always the same object, since PyO3 initialises a module once in a process."""
        if (module, file) not in self.modules:
            for name, digest in beside:
                if self.libraries.get(name, digest) != digest:
                    raise Refusal("import", f"another build of {name} is in use; restart the kernel")
            self.modules[module, file] = self.imported(module, file, beside)
            self.libraries.update((name, digest) for name, digest in beside)
        return self.modules[module, file]

    def imported(self, module: str, file: str, beside: list[list[str]]) -> Any:
        """Execute the module from a new folder of its own; the folder is removed if that fails."""
        for name, _ in beside:
            if not FILE_NAME.fullmatch(name):
                raise Refusal("import", f"{name!r} is not a plain file name")
        folder = None
        try:
            folder = tempfile.mkdtemp(prefix="build-", dir=self.own_folder())
            for name, digest in beside:
                place(self.files[digest], os.path.join(folder, name))
            path = os.path.join(folder, module + importlib.machinery.EXTENSION_SUFFIXES[0])
            place(self.files[file], path)
            spec: Any = importlib.util.spec_from_file_location(module, path)
            loaded = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
        except BaseException as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise Refusal("storage", f"writing failed: {error}") from error
            if isinstance(error, Exception):
                raise Refusal("import", f"{type(error).__name__}: {error}") from error
            raise
        return loaded


def adopt(loaded: Any, reference: str) -> None:
    """Set ``__module__`` of functions and classes to ``reference``, by which pickle finds exactly this content."""
    for name in list(getattr(loaded, "__all__", vars(loaded))):
        item = getattr(loaded, name, None)
        if not isinstance(item, (type, type(len))) and type(item).__name__ != "ufunc":
            continue
        home: Any = sys.modules.get(getattr(item, "__module__", None) or "")
        for part in getattr(item, "__qualname__", name).split("."):
            home = getattr(home, part, None)
        if isinstance(item, type) and home is item:
            continue
        try:
            item.__module__ = reference
        except (AttributeError, TypeError):
            continue


def place(source: str, path: str) -> None:
    """Put a received file where it is loaded from, as a hard link, so the loader sees a shared library as one file."""
    part = path + ".part"
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    os.replace(part, path)


def hold(folder: str) -> IO[str] | None:
    """Mark a folder as in use while this process lives; return the open lock file, or None without file locks."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return None
    part = os.path.join(folder, "lock.part")
    file = open(part, "w", encoding="ascii")  # noqa: SIM115 (held until the process ends)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.replace(part, os.path.join(folder, "lock"))
    return file


def sweep(parent: str) -> None:
    """Remove this user's folders whose lock is free, because their processes were killed."""
    try:
        import fcntl  # not on Windows
    except ImportError:
        return
    for entry in list(os.scandir(parent)):
        if not entry.name.startswith(FOLDER_PREFIX):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            lock = os.path.join(entry.path, "lock")
            if os.path.exists(lock):
                with open(lock) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            elif time.time() - status.st_mtime < LEFTOVER_AGE:
                continue
            shutil.rmtree(entry.path, ignore_errors=True)
        except OSError:
            continue


def user_namespace() -> dict[str, Any]:
    """The namespace of the notebook's user."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell.user_ns if shell is not None else sys.modules["__main__"].__dict__


def register_comms() -> bool:
    """Take chunks as comm messages if this kernel has comms (ipykernel 5 and later); return whether it has."""

    def opened(comm: Any, _message: object) -> None:
        comm.on_msg(received)

    def received(message: dict[str, Any]) -> None:
        data = message["content"]["data"]
        transfer = agent.transfers.get(data.get("transfer"))
        if transfer is not None and message.get("buffers"):
            transfer.add(data.get("index"), data.get("sha256"), bytes(message["buffers"][0]))

    try:
        manager = sys.modules["IPython"].get_ipython().kernel.comm_manager
        manager.register_target(COMM_TARGET, opened)
    except (KeyError, AttributeError):
        return False
    return True


def call(text: str, files: dict[str, bytes] | None = None) -> str:
    """Answer a request (JSON) with base64 of JSON: the request's id, and ``result``, or ``kind`` and ``text``.

    Files that come with the request, by digest, are kept first.
    """
    request = json.loads(text)
    answer = {"id": request["id"]}
    try:
        if "only" in request and not agent.is_like(**request["only"]):
            answer["result"] = {"other": True}
        else:
            for digest, data in (files or {}).items():
                agent.put(digest, data)
            answer["result"] = agent.answer(request)
    except Refusal as error:
        answer.update(kind=error.kind, text=str(error))
    except Exception as error:  # noqa: BLE001 (the client says what it was)
        answer.update(kind="error", text=f"{type(error).__name__}: {error}")
    return base64.urlsafe_b64encode(json.dumps(answer).encode()).decode()


agent = Agent()
comms_registered = register_comms()
