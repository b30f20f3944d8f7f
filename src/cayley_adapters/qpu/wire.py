"""The library's HTTP sessions: a job is posted once, and its intent is written down just before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["before_posting", "post_once"]


def post_once(service: Any) -> None:
    """Let the library send a POST request once: it repeats one that 5xx answers, which may make a second job."""
    from urllib3.util import Retry

    for session in _sessions(service):
        for adapter in session.adapters.values():
            old = getattr(adapter, "max_retries", None)
            if isinstance(old, Retry) and type(old) is not Retry:
                names = ("total", "connect", "backoff_factor", "status_forcelist")
                adapter.max_retries = Retry(**{name: getattr(old, name) for name in names})


@contextmanager
def before_posting(service: Any, announce: Callable[[], None]) -> Iterator[None]:
    """Call something immediately before a job is posted, when all that precedes the request has been done.

    The library prepares a program, asks for the instance's usage and the device's state, and only then posts: who dies
    before that has sent nothing. An exception of ``announce`` keeps the request from leaving.
    """
    sessions = _sessions(service)

    def announced(post: Callable[..., Any]) -> Callable[..., Any]:
        def announced_post(url: str, *args: Any, **options: Any) -> Any:
            if url.endswith("/jobs"):
                announce()
            return post(url, *args, **options)

        return announced_post

    try:
        for session in sessions:
            session.post = announced(session.post)
        yield
    finally:
        for session in sessions:
            with suppress(AttributeError):  # it was never there
                del session.post


def _sessions(service: Any) -> list[Any]:
    return [client._session for client in service._get_api_clients().values()]
