"""Find or start kernels of a Jupyter server over its REST API."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import urllib.parse
from typing import TYPE_CHECKING

from .connections import cut_off, open_connection
from .target import TargetError, TargetRefusedError, TargetReplyError, TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from .target import Deadline

__all__ = ["ADVICE", "JupyterServer"]

ADVICE = "Check the URL (with the server's base path), and that the server runs."
_TOKEN_ADVICE = "Give its token with --token (`jupyter server list` shows it)."  # noqa: S105
_ANSWER_LIMIT = 4 << 20
_KERNEL_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class JupyterServer:
    """The part of a Jupyter server's REST API that concerns kernels.

    The token is sent to this server only, and never shown.

    Args:
        url: the server's URL, also as copied from a browser.
        token: the server's token; by default the URL's.

    Raises:
        TargetUnreachableError: the URL is not a Jupyter server's.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qs(parts.query)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise TargetUnreachableError(
                f"{plain_text(parts.hostname or 'That')!r} is not a Jupyter server's URL.", advice=ADVICE
            )
        if re.search(r"[\x00-\x20\x7f]", url + token):
            raise TargetUnreachableError(
                "The server's URL or token contains spaces or control characters.", advice=ADVICE
            )
        path = re.sub(r"/(lab|tree|notebooks)(/.*)?$", "", parts.path).rstrip("/")
        self.address = f"{parts.scheme}://{parts.netloc}{path}"
        self.headers = {"Authorization": f"token {chosen}"} if (chosen := token or query.get("token", [""])[0]) else {}
        self.url = urllib.parse.urlsplit(self.address)

    def __repr__(self) -> str:
        return f"JupyterServer({self.address!r})"

    def find(self, wanted: str, deadline: Deadline, *, start: bool = False) -> str:
        """Find the id of a kernel.

        Args:
            wanted: a kernel's id, or the name of a kernel specification.
            deadline: when the server must have answered.
            start: start a kernel of that name if no such kernel runs.

        Raises:
            TargetError: the server does not answer, or has no such kernel.
        """
        running = self._request("GET", "/api/kernels", deadline)
        kernels = [it for it in running if isinstance(it, dict)] if isinstance(running, list) else []
        named = {str(it.get("id")): str(it.get("name")) for it in kernels}
        fitting = [key for key, name in named.items() if wanted in {key, name} and _KERNEL_ID.fullmatch(key)]
        if len(fitting) == 1 or wanted in fitting:
            return wanted if wanted in fitting else fitting[0]
        if fitting:
            raise TargetUnreachableError(
                f"{len(fitting)} kernels called {plain_text(wanted, 60)} run on {self.address}.",
                advice=f"Give the id of one: {', '.join(fitting[:5])}.",
            )
        if not start:
            known = ", ".join(plain_text(f"{key} ({name})", 90) for key, name in list(named.items())[:5]) or "none"
            raise TargetUnreachableError(
                f"No kernel {plain_text(wanted, 60)!r} runs on {self.address}; running kernels: {known}.",
                advice="Give the id or name of a running kernel, or start one with --start.",
            )
        made = self._request("POST", "/api/kernels", deadline, {"name": wanted})
        key = made.get("id") if isinstance(made, dict) else None
        if not isinstance(key, str) or not _KERNEL_ID.fullmatch(key):
            raise TargetReplyError(f"{self.address} does not say which kernel it started.", advice=ADVICE)
        return key

    def state(self, kernel: str, deadline: Deadline) -> str:
        """The kernel's state according to the server: ``idle``, ``busy``, ``dead``; empty for an unknown kernel."""
        answer = self._request("GET", f"/api/kernels/{kernel}", deadline, absent={})
        return plain_text(answer.get("execution_state"), 30) if isinstance(answer, dict) and answer else ""

    def shut_down(self, kernel: str, deadline: Deadline) -> None:
        """Shut a kernel down."""
        self._request("DELETE", f"/api/kernels/{kernel}", deadline, absent={})

    def _request(
        self, method: str, path: str, deadline: Deadline, body: object = None, *, absent: object = None
    ) -> object:
        headers = {**self.headers, "Host": self.url.netloc, "Content-Type": "application/json"}
        try:
            connection = open_connection(self.url, deadline)
            with contextlib.closing(connection), cut_off(connection.sock, deadline):
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, self.url.path + path, data, headers)
                with contextlib.closing(connection.getresponse()) as response:
                    text = response.read(_ANSWER_LIMIT)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = plain_text(str(error), 200)
            raise TargetUnreachableError(f"{self.address} cannot be reached: {reason}.", advice=ADVICE) from None
        if response.status == 404 and absent is not None:  # noqa: PLR2004
            return absent
        if response.status >= 300:  # noqa: PLR2004
            raise self.refusal(response.status)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise TargetReplyError(f"{self.address} does not answer like a Jupyter server.", advice=ADVICE) from None

    def refusal(self, status: int) -> TargetError:
        """The error for an HTTP status."""
        if status in {401, 403} or 300 <= status < 400:  # noqa: PLR2004
            return TargetRefusedError(f"{self.address} refused access ({status}).", advice=_TOKEN_ADVICE)
        return TargetUnreachableError(f"{self.address} answered with HTTP status {status}.", advice=ADVICE)
