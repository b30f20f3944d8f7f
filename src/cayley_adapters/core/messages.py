"""What is said: plain lines, without credentials and without characters that a terminal would obey."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cayley_adapters.core.errors import nearest

__all__ = ["Progress", "printable", "say", "show", "suggest", "text_table", "without_secrets"]


def say(text: str) -> None:
    """Print one line to standard error at once, without secrets and without what a terminal would obey."""
    print(printable(without_secrets(text)), file=sys.stderr, flush=True)


class Progress:
    """Prints ``label: 40/80 loss 3.21, about 35 s left`` at most every ``interval`` seconds, and when done.

    Args:
        label: what is being done.
        interval: seconds between lines.
        clock: returns seconds; a test gives its own.
    """

    def __init__(self, label: str, interval: float = 15.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._interval, self._clock = label, interval, clock
        self._start = self._last = clock()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` steps are finished."""
        now = self._clock()
        if done < total and now - self._last < self._interval:
            return
        self._last = now
        elapsed = now - self._start
        ending = f"{elapsed:.0f} s" if done >= total else f"about {elapsed / max(done, 1) * (total - done):.0f} s left"
        say(f"{self._label}: {done}/{total}{' ' + note if note else ''}, {ending}")


def show(value: Any) -> str:
    """Write a given value the way it is typed, cut to a readable length, with what a terminal cannot show escaped."""
    if isinstance(value, (list, tuple)):
        text = f"[{','.join(map(show, value))}]"
    elif isinstance(value, dict):
        text = f"{{{','.join(f'{show(key)}:{show(item)}' for key, item in value.items())}}}"
    else:
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def suggest(name: str, options: Iterable[str]) -> str:
    """Return the hint to the nearest option and to all of them."""
    options = list(options)
    close = nearest(name, options)
    return f"{close} Known: {', '.join(options)}" if close else f"; known: {', '.join(options)}"


def text_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str], right: Collection[str] = ()) -> str:
    """Return rows of texts as a table to read in a terminal or a log; ``right`` columns end at one edge."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) if rows else len(name) for name in columns}

    def line(cells: Mapping[str, str]) -> str:
        padded = (cells[c].rjust(widths[c]) if c in right else cells[c].ljust(widths[c]) for c in columns)
        return "  ".join(padded).rstrip()

    rule = {name: "─" * width for name, width in widths.items()}
    return "\n".join(map(line, [dict(zip(columns, columns, strict=True)), rule, *rows]))


SECRETS = ("*TOKEN", "*API_KEY", "*SECRET*", "*PASSWORD", "QISKIT_IBM*INSTANCE", "AWS_ACCESS_KEY_ID")
"""Names of environment variables whose values are kept out of messages. An instance (CRN) names a person's account."""

SHORTEST = 8
"""Characters: a shorter value, such as ``1``, is no secret, and would be masked in every number."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def without_secrets(text: str, further: Iterable[str] = ()) -> str:
    """Return a text without the secrets of the environment, and without credentials in addresses and headers.

    Args:
        text: such as the message of a library's exception.
        further: other values to leave out, such as a saved account's token.
    """
    known = [
        value
        for name, value in os.environ.items()
        if len(value) >= SHORTEST and any(fnmatch.fnmatch(name.upper(), pattern) for pattern in SECRETS)
    ]
    for secret in sorted(filter(None, [*known, *further]), key=len, reverse=True):
        text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    text = re.sub(r"(?i)\b(bearer|basic|apikey)\s+[^\s'\",}]+", r"\1 ***", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def printable(text: str) -> str:
    """Return a text whose control characters are written out: printing it moves no cursor and sets no title.

    Line breaks and tabs stay; characters that turn the direction of writing do not.

    Example:
        >>> printable("\\x1b[2Jgone")
        '\\\\x1b[2Jgone'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
