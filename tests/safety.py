"""When what hangs is ended, so that a run of the tests ends too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SAFETY = 1800
"""Seconds; hundreds of times what any of it takes, so that no slow or busy machine gets there."""

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], what: str = "what was waited for") -> Found:
    """Look until something is there."""
    end = time.monotonic() + SAFETY
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} has not come in {SAFETY} s"
        time.sleep(0.02)
    return found
