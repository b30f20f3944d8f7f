"""Numbers and lists as the report writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

__all__ = ["count", "interval", "listing", "perplexity", "share", "shots_text", "significant", "whole"]

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def significant(value: float, digits: int = 3) -> str:
    """A number to some significant digits: ``1.15``, ``61,400``, ``2.3·10⁷``, ``∞``; ``–`` where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    if not -4 <= exponent < 7:
        mantissa = f"{value:.{digits - 1}e}".split("e")[0]
        return _minus(f"{mantissa}·10{str(exponent).translate(_SUPERSCRIPTS)}")
    rounded = round(value, digits - 1 - exponent)
    return _minus(f"{rounded:,.{max(digits - 1 - exponent, 0)}f}")


def perplexity(value: float) -> str:
    """A perplexity, to three significant digits."""
    return significant(value, 3)


def share(value: float) -> str:
    """A share to three decimals, or ``–``."""
    return "–" if value is None or not math.isfinite(value) else _minus(f"{value:.3f}")


def whole(value: float) -> str:
    """A whole number with thousands separated; ``∞`` and ``–`` as in :func:`significant`."""
    return significant(value) if value is None or not math.isfinite(value) else _minus(f"{value:,.0f}")


def interval(low: float | None, high: float | None, write: Any = significant) -> str:
    """Both ends of an interval, ``above …`` where the upper one is open, or ``–`` where there is none."""
    ends = [write(end) for end in (low, high)]
    if ends[1] == "–" != ends[0]:
        return f"above {ends[0]}"
    return "–" if "–" in ends else f"{ends[0]} to {ends[1]}"


def listing(items: Iterable[Any]) -> str:
    """``a``, ``a and b``, ``a, b and c``; numbers without trailing zeros."""
    words = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def count(number: int, noun: str) -> str:
    """``1 window``, ``9 windows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shots_text(shots: int | float | str) -> str:
    """``8,192 shots`` or ``unlimited shots``."""
    return "unlimited shots" if str(shots) == "inf" else count(int(shots), "shot")


def _minus(text: str) -> str:
    return text.replace("-", "−")
