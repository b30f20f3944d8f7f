"""What of an adapter's gain is adaptation to the text, and what is repair of the damage that compression did.

With u the uncompressed and c the compressed model, a the same adapter, trained on each alike, and nll nats a token:

    adaptation = nll(u) − nll(u + a)
    repair = 1 − (nll(c + a) − nll(u + a)) / (nll(c) − nll(u))

An adapter that only learns the text, and as much of it on either model, has the repair 0; with one after which both
models are alike it is 1. Under noise nll(c + a) is that at a noise scale, and nll(u + a) stays that without noise: what
could be had. Nothing is left of the repair where nll(c + a) has risen to nll(c) − adaptation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["adaptation", "repair"]


def adaptation(uncompressed: Any, adapted: Any) -> Any:
    """Gain of an adapter on the uncompressed model, nats a token.

    Args:
        uncompressed, adapted: nll without and with it, nats a token; numbers or arrays of one shape.
    """
    return uncompressed - adapted


def repair(nll: Any, adapted: Any, compressed: Any, uncompressed: Any) -> np.ndarray:
    """Share of the damage that is gone once both models have learnt the text; not a number where there is none.

    Args:
        nll: of the compressed model with the adapter, nats a token.
        adapted: of the uncompressed model with the same adapter.
        compressed, uncompressed: of the two without.
    """
    damage = np.asarray(compressed) - np.asarray(uncompressed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(damage > 0, 1 - (np.asarray(nll) - np.asarray(adapted)) / damage, np.nan)
