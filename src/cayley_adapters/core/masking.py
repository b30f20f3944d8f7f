"""What a message may not hold: credentials, and characters that a terminal would obey."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable
from urllib.parse import quote

__all__ = ["printable", "without_secrets"]

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
