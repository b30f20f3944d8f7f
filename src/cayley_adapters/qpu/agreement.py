"""Whether a processor's counts are what the simulator predicts: Pearson's chi-square test over all circuits."""

from __future__ import annotations

import numpy as np

__all__ = ["chi_square"]


def chi_square(counts: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Test counts against probabilities, all rows together.

    Outcomes that are expected less than five times in a row are counted with its most probable one.

    Args:
        counts: (N, d), any number of shots a row.
        p: (N, d), each row sums to one.

    Returns:
        ``chi_square``, its ``degrees`` of freedom, and the ``p_value``.
    """
    from scipy.stats import chi2

    expected = p * counts.sum(axis=1, keepdims=True)
    rare, rows, most = expected < 5, np.arange(len(p)), p.argmax(axis=1)
    rare[rows, most] = False
    seen, wanted = (np.where(rare, 0, values).astype(np.float64) for values in (counts, expected))
    for kept, values in ((seen, counts), (wanted, expected)):
        kept[rows, most] += np.where(rare, values, 0).sum(axis=1)
    total = float((np.square(seen - wanted)[~rare] / np.maximum(wanted[~rare], 1e-300)).sum())
    degrees = int((~rare).sum()) - len(p)
    return {"chi_square": total, "degrees": degrees, "p_value": float(chi2.sf(total, degrees)) if degrees else 1.0}
