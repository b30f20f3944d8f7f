"""Compiled loops over many blocks and slices: effects of blocks, and probabilities of slices."""

from __future__ import annotations

import numpy as np
from numba import prange

from cayley_adapters.kernels.compiled import compiled
from cayley_adapters.kernels.pauli import TILE, run
from cayley_adapters.kernels.preparation import prepare

__all__ = ["back_propagate", "probabilities"]


@compiled(parallel=True)
def back_propagate(ops, figures, cos, sin, readout, effects):
    """Carry readout effects backwards through many blocks (Heisenberg picture).

    Args:
        ops: Adjoint program of the block's part of the circuit.
        figures: Its figures.
        cos: (blocks, angles) cosines of the adjoint program's RZ angles.
        sin: (blocks, angles) sines.
        readout: (d, 4^n) effects at the measurement.
        effects: (blocks, d, 4^n), written.
    """
    blocks, d, size = effects.shape
    group = TILE // d
    for g in prange((blocks + group - 1) // group):
        count = min(group, blocks - g * group)
        state = np.empty((size, TILE))
        lane_cos, lane_sin = np.empty((cos.shape[1], TILE)), np.empty((cos.shape[1], TILE))
        for lane in range(count * d):
            block = g * group + lane // d
            state[:, lane] = readout[lane % d]
            lane_cos[:, lane] = cos[block]
            lane_sin[:, lane] = sin[block]
        run(ops, figures, lane_cos, lane_sin, state, count * d)
        for lane in range(count * d):
            effects[g * group + lane // d, lane % d] = state[:, lane]


@compiled()
def _contract(effects, b, state, out, width):
    """Write out (d, TILE) = effects[b] (d, 4^n) @ state (4^n, TILE), four rows of the state at a time."""
    for k in range(effects.shape[1]):
        for t in range(width):
            out[k, t] = 0
        for i in range(0, effects.shape[2], 4):
            e0, e1, e2, e3 = effects[b, k, i], effects[b, k, i + 1], effects[b, k, i + 2], effects[b, k, i + 3]
            for t in range(width):
                low, high = e0 * state[i, t] + e1 * state[i + 1, t], e2 * state[i + 2, t] + e3 * state[i + 3, t]
                out[k, t] += low + high


@compiled(parallel=True)
def probabilities(x, blocks, effects, ops, figures, initial, slots, turns, out):
    """Prepare slices with noise and contract them with their blocks' effects.

    Args:
        x: (T, B, d) slices.
        blocks: Indices of the blocks to treat.
        effects: (B, d, 4^n) effects, in the state's precision, as are figures, initial and turns.
        ops: Program of the preparation after its constant beginning.
        figures: Its figures.
        initial: (4^n,) Pauli vector after that beginning.
        slots: (turns,) which of the slice's RY angles each RZ has; -1 for a constant one.
        turns: (turns, 4) the RZ's cosine and sine as combinations of the RY angle's cosine and sine, in this order.
        out: (T, B, d) probabilities, written for the given blocks.
    """
    tokens, _, d = x.shape
    angles = slots.max() + 1
    group = 16
    groups = (blocks.size + group - 1) // group
    for item in prange(groups * ((tokens + TILE - 1) // TILE)):
        start = item // groups * TILE
        first = item % groups * group
        width = min(TILE, tokens - start)
        v, norm = np.empty(d * TILE), np.empty(TILE)
        cos, sin = np.empty(angles * TILE), np.empty(angles * TILE)
        turn_cos = np.empty((slots.size, TILE), dtype=initial.dtype)
        turn_sin = np.empty((slots.size, TILE), dtype=initial.dtype)
        state = np.empty((initial.size, TILE), dtype=initial.dtype)
        result = np.empty((d, TILE), dtype=initial.dtype)
        for b in blocks[first : first + group]:
            for t in range(width):
                for k in range(d):
                    v[k * TILE + t] = x[start + t, b, k]
            prepare(v, d, width, norm, cos, sin)
            for r in range(slots.size):
                cc, cs, sc, ss = turns[r, 0], turns[r, 1], turns[r, 2], turns[r, 3]
                if slots[r] < 0:
                    for t in range(width):
                        turn_cos[r, t], turn_sin[r, t] = cc, sc
                    continue
                row = slots[r] * TILE
                for t in range(width):
                    c, s = initial.dtype.type(cos[row + t]), initial.dtype.type(sin[row + t])
                    turn_cos[r, t], turn_sin[r, t] = cc * c + cs * s, sc * c + ss * s
            for i in range(initial.size):
                for t in range(width):
                    state[i, t] = initial[i]
            run(ops, figures, turn_cos, turn_sin, state, width)
            _contract(effects, b, state, result, width)
            for t in range(width):
                for k in range(d):
                    out[start + t, b, k] = result[k, t]
