"""What of an adapter's gain is adaptation to the text, and what is repair of the damage that compression did.

With u the uncompressed and c the compressed model, a the same adapter, trained on each alike, and nll nats a token:

    adaptation = nll(u) − nll(u + a)
    repair = 1 − (nll(c + a) − nll(u + a)) / (nll(c) − nll(u))

An adapter that only learns the text, and as much of it on either model, has the repair 0; with one after which both
models are alike it is 1. Under noise nll(c + a) is that at a noise scale, and nll(u + a) stays that without noise: what
could be had. Nothing is left of the repair where nll(c + a) has risen to nll(c) − adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cayley_adapters.analysis.crossing import critical_noise
from cayley_adapters.analysis.curves import CENSORED, Curve
from cayley_adapters.analysis.resampling import finite, interval

__all__ = ["adaptation", "identity_of", "repair", "repair_of"]


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


def repair_of(curve: Curve, plain: Curve | None, clusters: int) -> dict[str, Any]:
    """Adaptation and repair of blocks; None where the same ones were not trained on the uncompressed model."""
    names = ("adaptation", "adaptation_ci95", "repair", "repair_ci95")
    found: dict[str, Any] = dict.fromkeys((*names, "lambda_repair", "lambda_repair_ci95", "lambda_repair_censored"))
    if plain is None:
        return found
    adapts = adaptation(plain.level, plain.nll[0])
    found |= {"adaptation": finite(adapts[0]), "adaptation_ci95": interval(adapts[1:], clusters)}
    if curve is plain:
        return found
    share = repair(curve.nll[0], plain.nll[0], curve.level, plain.level)
    beyond = replace(curve, level=curve.level - adapts)
    critical, censored = beyond.critical()
    return found | {
        "repair": finite(share[0]),
        "repair_ci95": interval(share[1:], clusters),
        "lambda_repair": finite(critical[0]),
        "lambda_repair_ci95": beyond.critical_interval(clusters),
        "lambda_repair_censored": CENSORED[int(censored[0])],
    }


def identity_of(curve: Curve, unlearnt: Mapping[float, float]) -> float | None:
    """The first noise scale at which the circuits alone cost the gain, with blocks in them that have learnt nothing."""
    axis = np.array(sorted(unlearnt))
    if len(axis) < 2 or axis[0] != 0:
        return None
    cost = np.array([unlearnt[scale] for scale in axis]) - unlearnt[0.0]
    value, censored = critical_noise(axis, cost[None] + curve.nll[0, 0], curve.level[:1])
    return None if censored[0] else finite(value[0])
