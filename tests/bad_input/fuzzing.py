"""How much is tried, and how valid inputs are spoilt: mutations find more than random text does."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError

__all__ = ["ODD", "fuzz", "spoilt", "spoilt_text"]

FEW = 25
"""Cases of each parser in plain pytest; `make test-fuzz` asks for the parser's own number of cases."""

ODD = [
    "!!int x", "!!timestamp x", "!!bool x", "!!float x", "&a [*a]", "[]", "{}", "[null]",
    "2001-01-01T00:00:00+99:99", "-0",
    "\0", "\ud800", "\x1b[31m", "\u202e", "\ufeff", "é", "𝒳", "\u2028", "\r", "\t", '"', "'", "\\", "{", "}", "[",
    "]", "(", ")", ",", ":", "=", "#", "&a", "*a", "!!python/object:os.system", "!!binary", "<<", "---", "...", "|",
    ">", "%", "@", "`", "${oc.env:HOME}", "$\\{oc.env\\:HOME\\}", "${x}", "???", "_target_", "hydra", "null", "~",
    "true", "NaN", "nan", "inf", "-inf", "Infinity", "-1", "0", "1e999", "1e-999", "0x10", "1_0", "9" * 30,
    "9" * 5000, "2001-13-45", "12:61:61", "[" * 200, "{a: " * 50, "range(", "choice(", "glob(*)", "interval(0,1)",
    "sort(", "int(", "../", "/etc/passwd", " ", "\n", "\n\n",
]  # fmt: skip


KINDS = ["flip", "cut", "drop", "odd", "bytes", "double", "splice", "word", "word", "word"]


@st.composite
def spoilt(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """Draw a valid file with one to three faults."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        kind = draw(
            st.sampled_from(["flip", "cut", "drop", "odd", "bytes", "double", "splice", "word", "word", "word"])
        )
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : min(end, at + 40)]
        elif kind == "odd":
            data[at:at] = draw(st.sampled_from(ODD)).encode("utf-8", "surrogatepass")
        elif kind == "bytes":
            data[at:at] = draw(st.binary(max_size=8))
        elif kind == "double":
            data[at:at] = data[at : min(end, at + 200)]
        elif kind == "splice":
            other = draw(st.sampled_from(samples))
            data[at:] = other[draw(st.integers(0, len(other))) :]
        elif kind == "word" and (words := list(re.finditer(rb"[^\s,:={}\[\]\"']+", data))):
            start, stop = draw(st.sampled_from(words)).span()
            data[start:stop] = draw(st.sampled_from(ODD)).encode("utf-8", "surrogatepass")
    return bytes(data)


def spoilt_text(samples: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw a valid text with one to three faults; what is no UTF-8 becomes surrogates, as a shell passes it on."""
    return spoilt([sample.encode() for sample in samples]).map(lambda data: data.decode("utf-8", "surrogateescape"))


def fuzz(
    name: str, strategy: st.SearchStrategy, read: Callable[[Any], object], cases: int, valid: Sequence[object] = ()
) -> None:
    """Read what a strategy draws; nothing but a result or a :class:`CayleyError` may come of it.

    Args:
        name: what the count is printed under.
        strategy: of inputs.
        read: the parser.
        cases: inputs tried by `make test-fuzz`.
        valid: what the faults are put into, which must be read.
    """
    for sample in valid:
        read(sample)
    wanted = cases if os.environ.get("CAYLEY_FUZZ") else FEW
    count = {"read": 0, "refused": 0}

    @settings(
        max_examples=wanted,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attempt(given_input: Any) -> None:
        try:
            read(given_input)
        except CayleyError:
            count["refused"] += 1
        else:
            count["read"] += 1

    attempt()
    total = sum(count.values())
    print(f"{name}: {total} cases, {count['refused']} refused, {count['read']} read")
    assert total >= wanted * 0.9  # hypothesis stops early only where there is nothing new to draw
    assert count["refused"] > 0
