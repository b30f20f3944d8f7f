"""The client's wire: the library's own REST adapters, session and retries, on a connection that ends in our server.

:class:`TwinClient` is the installed ``RuntimeClient``. Its HTTP session hands requests to a urllib3 pool whose
connections ask :class:`~cayley_adapters.qpu.twin.server.Server` instead of opening a socket, so that what is sent again
after an error, and what is not, and how errors reach the caller is decided by the real code.
"""

from __future__ import annotations

import io
import time
from http.client import RemoteDisconnected, responses
from typing import Any

from qiskit_ibm_runtime.api.client import RuntimeClient
from qiskit_ibm_runtime.api.client_parameters import ClientParameters
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from cayley_adapters.qpu.twin.faults import Fault
from cayley_adapters.qpu.twin.replies import Reply
from cayley_adapters.qpu.twin.results import damaged, short
from cayley_adapters.qpu.twin.server import Server

__all__ = ["INSTANCE", "TwinClient"]

INSTANCE = "crn:v1:twin:public:quantum-computing:us-east:a/twin:twin::"
"""The name of the twin's only instance."""

_URL = "http://twin.invalid"


def _wait(seconds: float) -> None:
    if seconds:  # no wait at all, else a busy machine gives the processor away
        time.sleep(seconds)


class _Connection(HTTPConnection):
    """A connection that ends in the server, after the fault that it meets."""

    def __init__(self, *args: Any, server: Server, fault: Fault, **options: Any) -> None:
        super().__init__(*args, **options)
        self._server, self._fault, self._headers = server, fault, {"Content-Type": "application/json"}

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **_: Any) -> None:
        kind, details = self._fault.kind, self._fault.details
        self._fault.attempts += 1
        self._asked, self._reply = (method, url), None
        if kind == "unreachable":
            raise NewConnectionError(self, "Failed to establish a new connection: [Errno 101] Network is unreachable")
        if kind == "status":
            self._reply = Reply(details["status"], '{"errors": [{"code": 0, "message": "refused on demand"}]}')
            self._headers |= {"Retry-After": str(details["retry_after"])} if "retry_after" in details else {}
        elif kind != "lost_request":
            _wait(details.get("seconds", 0.0))
            self._reply = self._tampered(self._server.handle(method, url, body))
            _wait(details.get("reply_seconds", 0.0))

    def _tampered(self, reply: Reply) -> Reply | None:
        kind = self._fault.kind
        if kind == "lost_reply":
            return None
        if kind == "retried" and self._fault.attempts == 1:
            return Reply(502)
        if kind == "withheld":
            return Reply()
        if kind == "truncated":
            return Reply(reply.status, reply.text[: len(reply.text) // 2])
        if kind in ("damaged", "short") and reply.text:
            return Reply(reply.status, {"damaged": damaged, "short": short}[kind](reply.text))
        return reply

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's, as its pool wants it
        if self._reply is None:
            raise RemoteDisconnected("Remote end closed connection without response")
        return HTTPResponse(
            io.BytesIO(self._reply.text.encode()),
            headers=self._headers,
            status=self._reply.status,
            reason=responses.get(self._reply.status, "Unknown"),
            version=11,
            preload_content=False,
            request_method=self._asked[0],
            request_url=self._asked[1],
        )


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Hands each request of the session, with all the attempts at it, to a pool of its own."""

    def __init__(self, server: Server, max_retries: Any) -> None:
        super().__init__(max_retries=max_retries)
        self._server = server

    def get_connection_with_tls_context(self, request: PreparedRequest, *_: Any, **__: Any) -> HTTPConnectionPool:
        fault = self._server.draw(str(request.method), request.path_url)
        return _Pool("twin.invalid", server=self._server, fault=fault)

    def __deepcopy__(self, _: Any) -> _Adapter:
        return self


class _Parameters(ClientParameters):
    """Parameters of a client that needs no secret."""

    def get_auth_handler(self) -> None:
        return None

    def get_runtime_api_base_url(self) -> str:
        return _URL


class TwinClient(RuntimeClient):
    """The installed ``RuntimeClient``, connected to a server of ours.

    Args:
        server: The server.
        pause: Seconds by which the library's own retries grow apart (the service's client: 0.5).
    """

    def __init__(self, server: Server, pause: float = 0.0) -> None:
        super().__init__(_Parameters(channel="ibm_quantum_platform", token="", instance=INSTANCE))
        retries = self._session.get_adapter(_URL).max_retries.new(backoff_factor=pause)
        self._session.mount("http://", _Adapter(server, retries))
        self._session.trust_env = False  # neither a proxy nor the passwords in ~/.netrc
