"""HTTP answers of the server, and the refusals that become such answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["Refusal", "Reply", "as_json", "utc"]


class Refusal(Exception):
    """A request that the server answers with an HTTP error.

    Args:
        status: The HTTP status.
        message: What is wrong.
        code: The service's own number of it.
    """

    def __init__(self, status: int, message: str, code: int) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: its status and its text (empty: no content)."""

    status: int = 204
    text: str = ""


def as_json(content: Any, status: int = 200) -> Reply:
    """Return an answer of JSON."""
    return Reply(status, json.dumps(content))


def utc(when: float | None) -> str | None:
    """Write seconds since 1970 as the service writes times."""
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")
