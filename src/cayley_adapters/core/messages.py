"""Progress as plain lines with an estimate, which read well in a terminal, in a log and with jobs side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from cayley_adapters.core.masking import printable, without_secrets

__all__ = ["Progress", "say", "text_table"]


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


def text_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str], right: Collection[str] = ()) -> str:
    """Return rows of texts as a table to read in a terminal or a log; ``right`` columns end at one edge."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) if rows else len(name) for name in columns}

    def line(cells: Mapping[str, str]) -> str:
        padded = (cells[c].rjust(widths[c]) if c in right else cells[c].ljust(widths[c]) for c in columns)
        return "  ".join(padded).rstrip()

    rule = {name: "─" * width for name, width in widths.items()}
    return "\n".join(map(line, [dict(zip(columns, columns, strict=True)), rule, *rows]))
