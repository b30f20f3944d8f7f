"""Blocks that were measured once: the shots of that measurement are in the intervals, at each noise its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.curves import make_curves

AXIS = np.array([0.0, 1.0, 2.0, 6.0, 20.0])
TOKENS = 8


def replicates(errors, readout="characterised", seeds=(0,), bootstrap=4000):
    """Deviations of each noise scale's nll, where documents say nothing: ``(scales, bootstrap)``."""
    rows = [
        {"compression_ratio": 0.2, "block_dim": 4, "two_qubit_gates": 3.0, "noise_scale": scale, "seed": seed,
         "readout": readout, "nll": 3.0, "nll_se_shots": error}
        for seed in seeds
        for scale, error in zip(AXIS, errors, strict=True)
    ]  # fmt: skip
    cells = pd.DataFrame(rows).sample(frac=1, random_state=0)  # in no order, with an index of no meaning
    losses = np.full((len(cells), TOKENS), 3.0, np.float32)
    documents, compressed = np.arange(TOKENS) // 2, {0.2: np.full(TOKENS, 3.3)}
    (curve,) = make_curves(cells, losses, documents, compressed, bootstrap=bootstrap, seed=0)
    assert list(curve.axis) == list(AXIS)
    return curve.nll[:, 1:] - curve.nll[:, :1]


def spread(values):
    """Half the range that holds 68 %, which heavy tails leave alone."""
    return np.diff(np.percentile(values, [16, 84], axis=-1), axis=0)[0] / 2


def test_equal_errors_are_pooled_over_the_noise():
    deviations = replicates([0.003] * 5)
    assert spread(deviations) == pytest.approx(0.003, rel=0.08)
    assert np.abs(np.corrcoef(deviations) - np.eye(5)).max() < 0.1  # each noise scale is measured anew


def test_blocks_ruined_by_noise_say_nothing_of_others():
    deviations = replicates([0.004, 0.002, 0.003, 0.03, 1.0])
    # The first three do not grow, and have the root of their mean square; the last two stand alone.
    assert spread(deviations[:3]) == pytest.approx(1.04 * np.sqrt(29e-6 / 3), rel=0.08)
    assert spread(deviations[3]) == pytest.approx(1.14 * 0.03, rel=0.08)  # Student's t of four degrees of freedom
    assert spread(deviations[4]) == pytest.approx(1.14, rel=0.08)


def test_seeds_are_pooled_and_their_mean_is_more_certain():
    deviations = replicates([0.0032, 0.0031, 0.003, 0.0029, 0.0028], seeds=(0, 1, 2))
    assert spread(deviations) == pytest.approx(0.003 / np.sqrt(3), rel=0.1)


def test_shots_of_every_token_are_in_the_documents_already():
    assert not replicates([0.003] * 5, readout="sign_constrained").any()
