"""A kernel on bare sockets in a thread of this process, which tests let lie."""

from __future__ import annotations

import base64
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.wire import ZmqWire, parse_connection_info

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"secret"


class FakeKernel(threading.Thread):
    """A kernel on bare sockets that runs the real agent, and lets a test tamper with what it answers.

    Attributes:
        tamper: gets the agent's answer (a dict with ``result`` or ``kind``) and the operation; returns what is sent.
        content: gets the content of an execute_reply; returns what is sent, or None for no reply at all.
        on_request: is called with every execute_request before it is answered.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.context = zmq.Context()
        self.session = Session(key=KEY)
        self.session.check_pid = False
        self.voice = self.session  # what signs the answers
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
        self.sockets = {name: self.context.socket(kind) for name, kind in kinds.items()}
        self.ports = {f"{name}_port": it.bind_to_random_port("tcp://127.0.0.1") for name, it in self.sockets.items()}
        self.info = {
            **self.ports,
            "stdin_port": self.ports["hb_port"],
            "ip": "127.0.0.1",
            "transport": "tcp",
            "key": KEY.decode(),
        }
        self._bell = self.context.socket(zmq.PAIR)
        self._bell.bind("inproc://bell")
        self.namespace: dict[str, Any] = {}
        self.operations: list[str] = []
        self.tamper: Callable[[Any, str], Any] = lambda answer, _operation: answer
        self.content: Callable[[Any], Any] = lambda content: content
        self.on_request: Callable[[Any, Any], object] = lambda _message, _identity: None

    def run(self) -> None:
        shell, hb, control = self.sockets["shell"], self.sockets["hb"], self.sockets["control"]
        while True:
            ready, _, _ = zmq.select([shell, hb, control, self._bell], [], [])
            if self._bell in ready:
                break
            if hb in ready:
                hb.send(hb.recv())
            for socket in {shell, control} & set(ready):
                received: Any = self.session.recv(socket)
                identity, message = received
                if message["msg_type"] == "execute_request":
                    self.on_request(message, identity)
                    if (content := self.content(self.execute(message["content"]))) is not None:
                        self.voice.send(shell, "execute_reply", content, parent=message, ident=identity)
                elif message["msg_type"] == "kernel_info_request":
                    self.voice.send(self.sockets["iopub"], "status", {"execution_state": "idle"}, parent=message)
                    self.voice.send(socket, "kernel_info_reply", {}, parent=message, ident=identity)
        self.context.destroy(linger=0)

    def end(self) -> None:
        with self.context.socket(zmq.PAIR) as bell:
            bell.connect("inproc://bell")
            bell.send(b"")
            self.join()

    def execute(self, content: Any) -> dict[str, Any]:
        exec(content["code"], self.namespace)
        if not content["user_expressions"]:
            return {"status": "ok"}
        (expression,) = content["user_expressions"].values()
        operation = json.loads(eval(expression[expression.index("call(") + 5 : -1]))["op"]
        try:
            answer = json.loads(base64.urlsafe_b64decode(eval(expression, self.namespace)))
        except ModuleNotFoundError as error:
            value = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
            return {"status": "ok", "user_expressions": {"pyo3magic": value}}
        self.operations.append(operation)
        return reply(self.tamper(answer, operation))

    def remote(self) -> RemoteKernel:
        return RemoteKernel(ZmqWire(parse_connection_info(json.dumps(self.info).encode(), "test")))


def reply(answer: Any) -> dict[str, Any]:
    text = base64.urlsafe_b64encode(json.dumps(answer).encode()).decode()
    return {"status": "ok", "user_expressions": {"pyo3magic": expression_value(repr(text))}}


def expression_value(text: object) -> dict[str, Any]:
    return {"status": "ok", "data": {"text/plain": text}, "metadata": {}}


def forget_agent() -> None:
    for name in [name for name in sys.modules if name.startswith("_pyo3magic_agent_")]:
        agent = sys.modules.pop(name).agent
        agent.remove_folder()
        if agent.lock is not None:
            agent.lock.close()
