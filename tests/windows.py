"""Windows of made-up tokens."""

from __future__ import annotations

import numpy as np

from cayley_adapters.models.windows import Windows


def windows_of(tokens: np.ndarray, documents: np.ndarray | None = None) -> Windows:
    """Windows whose tokens are all scored, each a word of one byte; of one document if none are given."""
    ones = np.ones(tokens.shape, np.int32)
    return Windows(tokens, 0 * ones if documents is None else documents, ones.astype(bool), ones, ones)
