"""What is made of a device's probabilities: counts of finite shots, mitigation, and maps characterised once.

All of it works on arrays of probabilities (T, B, d) of T tokens, B blocks and d outcomes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.kernels.shots import measure, project

if TYPE_CHECKING:
    from collections.abc import Callable

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise
    from cayley_adapters.simulation.mitigations import Undo

__all__ = [
    "Mitigation",
    "background_undone",
    "characterise",
    "inverse_confusion",
    "maps_of",
    "preparation_slices",
    "readout_undone",
    "sample",
]


def sample(p: np.ndarray, shots: float, generator: np.random.Generator) -> np.ndarray:
    """Draw relative frequencies of multinomial samples.

    They are unbiased, with variance p(1 - p)/shots.

    Args:
        p: Probabilities, (..., d); each row is normalised first, since float32 sums are off by 1e-7, and a row of zeros
            (a zero slice on an ideal device) stands for |0...0>.
        shots: Measurements a row; ``inf`` returns p as it is.
        generator: Source of randomness; one number is taken from it, whatever the number of rows.

    Returns:
        counts / shots, (..., d), of p's type.
    """
    if not np.isfinite(shots):
        return p
    rows = np.ascontiguousarray(p).reshape(-1, p.shape[-1])
    out = np.empty_like(rows)
    measure(rows, int(shots), generator.integers(2**64, dtype=np.uint64), out)
    return out.reshape(p.shape)


@dataclass(frozen=True)
class Mitigation:
    """Undoes, on average, what the calibration says was done to the probabilities, then projects back to such.

    First the readout: frequencies are multiplied with the inverse confusion matrix of each qubit. That is unbiased if
    the calibrated flips are true, and multiplies the standard deviation by about 1/(1 - p(1|0) - p(0|1)) for each
    qubit. Then, if asked for, the uniform background: p -> (p - (1 - f)/d)/f with the share f of runs that no gate
    error hit (:meth:`cayley_adapters.circuits.noise.calibration.Line.survival`); only the division shows, since the
    projection takes off whatever is added to all outcomes. That multiplies the standard deviation by 1/f and
    leaves a bias, since gate errors do not spread evenly and relaxation prefers 0. The projection to the nearest
    probabilities (Euclidean) lowers the variance where results are near 0, and biases these upwards.

    Attributes:
        inverse: (L, d, d) inverse confusion matrices of the L lines.
        background: (B,) share f of each block's circuit; 1 leaves the background alone.
    """

    inverse: np.ndarray
    background: np.ndarray

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return mitigated probabilities (T, B, d) for measured ones."""
        d = p.shape[-1]
        out = np.empty_like(p)
        for i, inverse in enumerate(self.inverse):
            out[:, i :: len(self.inverse)] = p[:, i :: len(self.inverse)] @ inverse.T.astype(p.dtype)
        out /= self.background.astype(p.dtype)[:, None]  # the projection takes the background's constant off by itself
        project(out.reshape(-1, d), out.reshape(-1, d))
        return out


def readout_undone(circuits: BlockCircuits, noise: DeviceNoise) -> Mitigation:
    """Return what undoes the readout flips of blocks on a device."""
    lines = noise.lines(circuits.ansatz.qubits)
    return Mitigation(np.stack([inverse_confusion(line.confusion()) for line in lines]), np.ones(len(circuits)))


def background_undone(circuits: BlockCircuits, noise: DeviceNoise) -> Mitigation:
    """Return what undoes the readout flips, and the uniform background that gate errors leave, too."""
    lines, undo = noise.lines(circuits.ansatz.qubits), readout_undone(circuits, noise)
    for ansatz, blocks in circuits.groups():
        shares = np.array([line.survival(ansatz) for line in lines])
        undo.background[blocks] = shares[blocks % len(lines)]
    return undo


def inverse_confusion(confusion: np.ndarray) -> np.ndarray:
    """Return the inverse, or the identity where a qubit reads at random and nothing can be undone."""
    return np.linalg.inv(confusion) if np.linalg.cond(confusion) < 1e6 else np.eye(len(confusion))


def characterise(
    run: Callable[[np.ndarray], np.ndarray],
    trained: np.ndarray,
    shots: float,
    generator: np.random.Generator,
    mitigation: Undo | None = None,
) -> np.ndarray:
    """Measure what blocks do, once, and return the linear maps that then serve every token without the device.

    The probability of outcome k for a slice x is x^T M_k x / |x|^2 with a symmetric M_k, of which d preparations of
    basis states e_i and d(d - 1)/2 of (e_i + e_j)/sqrt2 give all entries. Row k of the map is the leading eigenvector
    of the estimated M_k; counts cannot show its sign, which is taken from its overlap with the trained row.

    Shots put a random error of order 1/sqrt(shots) on each row. Taking the eigenvector removes what noise adds evenly
    to all directions (a background shrinks all of M_k alike); what is left is a bias: noise that turns the row, that of
    the preparations included, since they are as noisy here as in use.

    Args:
        run: Slices (P, B, d) to the device's probabilities (P, B, d), for B blocks.
        trained: The trained blocks, (B, d, d).
        shots: Measurements of each preparation; ``inf`` for none of their noise.
        generator: Of the shots.
        mitigation: What is undone before entries are estimated.

    Returns:
        Maps (B, d, d) float64, with rows of norm 1.
    """
    slices = preparation_slices(trained.shape[-1])
    p = sample(run(np.repeat(slices[:, None], len(trained), axis=1)), shots, generator)
    return maps_of(p if mitigation is None else mitigation(p), trained)


def preparation_slices(d: int) -> np.ndarray:
    """Return the slices that determine a block's effects: e_i, then (e_i + e_j)/sqrt2 for i < j; (d(d + 1)/2, d)."""
    first, second = np.triu_indices(d, 1)
    return np.concatenate([np.eye(d), (np.eye(d)[first] + np.eye(d)[second]) / math.sqrt(2)])


def maps_of(p: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Return the maps (B, d, d) that probabilities of :func:`preparation_slices` show, see :func:`characterise`.

    Args:
        p: Estimated probabilities, (d(d + 1)/2, B, d).
        trained: The trained blocks, (B, d, d), whose rows lend their signs.
    """
    count, d = trained.shape[:2]
    first, second = np.triu_indices(d, 1)
    effects = np.zeros((count, d, d, d))
    diagonal = p[:d].transpose(1, 2, 0)
    effects[:, :, np.arange(d), np.arange(d)] = diagonal
    mixed = p[d:].transpose(1, 2, 0) - (diagonal[..., first] + diagonal[..., second]) / 2
    effects[:, :, first, second] = effects[:, :, second, first] = mixed
    rows = np.linalg.eigh(effects)[1][..., -1]
    overlap = (rows * trained).sum(axis=-1, keepdims=True)
    return np.where(overlap < 0, -rows, rows)
