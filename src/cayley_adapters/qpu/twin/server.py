"""The server: requests of the REST API in, answers out, everything it knows in the store.

What a request changes is committed before it is answered, as the service does: a client that dies between the two has a
job that it has never heard of.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from cayley_adapters.qpu.twin.faults import Fault, draw_fault
from cayley_adapters.qpu.twin.jobs import Conditions, Jobs
from cayley_adapters.qpu.twin.replies import Refusal, Reply, as_json
from cayley_adapters.qpu.twin.sessions import Sessions
from cayley_adapters.qpu.twin.store import Store

__all__ = ["CALLS", "Server"]

_ROUTES = [
    (method, re.compile(f"{path}$"), call)
    for method, path, call in [
        ("POST", "/jobs", "program_run"),
        ("GET", "/jobs", "jobs_get"),
        ("GET", "/jobs/([^/]+)", "job_get"),
        ("DELETE", "/jobs/([^/]+)", "job_delete"),
        ("GET", "/jobs/([^/]+)/results", "job_results"),
        ("POST", "/jobs/([^/]+)/cancel", "job_cancel"),
        ("GET", "/jobs/([^/]+)/logs", "job_logs"),
        ("GET", "/jobs/([^/]+)/metrics", "job_metadata"),
        ("PUT", "/jobs/([^/]+)/tags", "update_tags"),
        ("POST", "/sessions", "create_session"),
        ("GET", "/sessions/([^/]+)", "session_details"),
        ("PATCH", "/sessions/([^/]+)", "close_session"),
        ("DELETE", "/sessions/([^/]+)/close", "cancel_session"),
        ("GET", "/backends", "list_backends"),
        ("GET", "/backends/([^/]+)/configuration", "backend_configuration"),
        ("GET", "/backends/([^/]+)/properties", "backend_properties"),
        ("GET", "/backends/([^/]+)/status", "backend_status"),
        ("GET", "/instances/usage", "cloud_usage"),
    ]
]

CALLS = frozenset(call for _, _, call in _ROUTES)
"""The client's methods, by which faults are named."""


class Server:
    """Answers requests from a store.

    Args:
        store: What it knows.
        conditions: How the jobs fare that are submitted through it.
    """

    def __init__(self, store: Store, conditions: Conditions) -> None:
        self.store = store
        self._handlers = (Jobs(store, conditions), Sessions(store))

    def draw(self, method: str, target: str) -> Fault:
        """Consume the fault that a request meets on its way."""
        call, _ = _route(method, target)
        with self.store.transaction() as db:
            return draw_fault(db, call)

    def handle(self, method: str, target: str, body: bytes | str | None) -> Reply:
        """Answer a request: its method, its path with the query, and its body."""
        call, arguments = _route(method, target)
        handler = next(h for h in self._handlers if hasattr(h, call))
        query = parse_qs(urlsplit(target).query)
        try:
            answer: Callable[..., Reply] = getattr(handler, call)
            return answer(*arguments, query=query, data=json.loads(body) if body else {})
        except Refusal as refusal:
            errors = [{"code": refusal.code, "message": refusal.message, "more_info": ""}]
            return as_json({"errors": errors, "trace": secrets.token_hex(10)}, refusal.status)


def _route(method: str, target: str) -> tuple[str, tuple[str, ...]]:
    """Return the client's method that makes a request, and the names in its path."""
    path = urlsplit(target).path
    for verb, pattern, call in _ROUTES:
        if verb == method and (found := pattern.match(path)):
            return call, found.groups()
    raise AssertionError(f"the twin does not know {method} {path}")  # a request of a newer client: extend the routes
