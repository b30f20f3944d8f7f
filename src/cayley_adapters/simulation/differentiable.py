"""The simulator in plain torch: readable, differentiable, on CPU or GPU, and independent of the compiled kernels.

The equations are those of :mod:`cayley_adapters.circuits.preparation`, :mod:`cayley_adapters.circuits.synthesis` and
:mod:`cayley_adapters.simulation.programs`; the programs are the latter's. Every angle appears as exp(i angle).

Gradients. For blocks of one and two qubits everything is made of square roots and products of x and q, so gradients are
those of the noisy probabilities themselves, away from slices and blocks at which an angle is a choice (multiples of
rotations and reflections; rotations of one qubit of a block alone, the identity among them), where they are finite but
not meaningful. For three qubits and more the block's angles come from a search that has no derivative: the values are
exact, the gradients those of :func:`cayley_adapters.simulation.surrogate.surrogate`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from cayley_adapters.circuits.ansatz import full, qubits_of
from cayley_adapters.circuits.gates import Gate
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.preparation import preparation_angles
from cayley_adapters.circuits.synthesis import quaternion_tensor, synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.pauli import CZ, OVER_X, OVER_ZZ, RZ, SX
from cayley_adapters.simulation.programs import LARGEST, Program, preparation_of, program_of, readout_effects
from cayley_adapters.simulation.surrogate import surrogate

__all__ = ["block_units", "noisy_probabilities", "slice_units"]

TINY = 1e-14
CHUNK = 2**22
"""Numbers in the Pauli vectors of the slices that are treated at a time."""


def noisy_probabilities(q: torch.Tensor, x: torch.Tensor, noise: DeviceNoise | None = None) -> torch.Tensor:
    """Return what :func:`cayley_adapters.simulation.compiled.noisy_probabilities` returns, with gradients.

    Args:
        q: Blocks, (B, d, d), float64 for exact circuits; d = 2, 4, 8 or 16.
        x: Slices, (T, B, d), on any device.
        noise: The device; None is an ideal one.

    Returns:
        Probabilities, (T, B, d), on the device of x; float64 where x is float64 and float32 otherwise.

    Raises:
        CayleyError: If the shapes do not fit, a block is no rotation, or the device has no line for it.
    """
    if x.ndim != 3 or tuple(q.shape) != (*x.shape[1:], x.shape[-1]):
        raise CayleyError(f"blocks (B, d, d) and slices (T, B, d) are needed, not {tuple(q.shape)}, {tuple(x.shape)}")
    x = x if x.element_size() >= 4 else x.float()
    n, d = qubits_of(x.shape[-1]), x.shape[-1]
    if n > LARGEST:
        raise CayleyError(f"blocks of {n} qubits are not simulated here; block dimensions up to {2**LARGEST} are")
    ansatz, units = full(n), block_units(q)
    lines = (None,) if noise is None or noise.scale == 0 else noise.lines(n)
    p = x.new_empty(x.shape)
    step = max(CHUNK // (4**n * max(x.shape[1], 1)), 1)
    for i, line in enumerate(lines[: x.shape[1]]):
        effects = _effects(program_of(ansatz, line), units[i :: len(lines)], readout_effects(n, line)).to(x)
        preparation = preparation_of(ansatz, line)
        initial = torch.as_tensor(preparation.initial).to(x)
        parts = []
        for start in range(0, len(x), step):
            slices = x[start : start + step, i :: len(lines)].transpose(0, 1)  # (B, t, d)
            turns = slice_units(slices.reshape(-1, d)).T
            state = initial[:, None].expand(-1, turns.shape[1])
            state = _run(preparation.program, turns, state)
            parts.append(torch.einsum("bkp,pbt->tbk", effects, state.view(4**n, *slices.shape[:2])))
        p = p.index_copy(1, torch.arange(i, x.shape[1], len(lines), device=x.device), torch.cat(parts))
    if n <= 2 or not (q.requires_grad or x.requires_grad):
        return p
    smooth = surrogate(q.to(x), x, noise)
    return p.detach() + smooth - smooth.detach()


def _unit(z: torch.Tensor) -> torch.Tensor:
    """Return z/|z|, and 1 where z is too short to have a direction."""
    length = z.abs()
    small = length < TINY
    return torch.where(small, torch.ones_like(z), z / torch.where(small, torch.ones_like(length), length))


def slice_units(x: torch.Tensor) -> torch.Tensor:
    """Return exp(i angle), (N, slots) complex, of the RY angles that prepare slices (N, d).

    Four qubits take them from :func:`cayley_adapters.circuits.preparation.preparation_angles`, without a gradient.
    """
    n = qubits_of(x.shape[-1])
    if n == LARGEST:
        units = torch.from_numpy(preparation_angles(x.detach().cpu().numpy()))
        return units.to(x.device, torch.complex64 if x.dtype == torch.float32 else torch.complex128)
    top = x.detach().abs().amax(-1, keepdim=True)
    unit = torch.where(top == 0, torch.eye(1, x.shape[-1]).to(x), x / torch.where(top == 0, torch.ones_like(top), top))
    unit = unit / unit.norm(dim=-1, keepdim=True)
    if n == 1:
        return torch.complex(unit[:, :1], unit[:, 1:]).square()
    return _pair_units(unit) if n == 2 else _triple_units(unit)


def _pair_units(x: torch.Tensor) -> torch.Tensor:
    """Return the units of gamma, alpha, beta − π/2."""
    x0, x1, x2, x3 = x.unbind(-1)
    first, second = torch.complex(x0 + x3, x2 - x1), torch.complex(x0 - x3, x1 + x2)
    size = torch.stack([first, second]).abs()
    gamma = torch.complex(size[0] * size[1], (size[1].square() - size[0].square()) / 2)
    z1, z2 = _unit(first), _unit(second)
    return torch.stack([gamma, z2 * z1.conj(), -1j * z1 * z2], dim=-1)


def _triple_units(x: torch.Tensor) -> torch.Tensor:
    """Return the units of gamma, a0 − π/2, a1, b1, alpha, a2, b2."""
    even, odd = x[:, 0::2], x[:, 1::2]
    alpha = _unit(torch.complex((even.square() - odd.square()).sum(-1), 2 * (even * odd).sum(-1)))
    # Half of alpha without cancellation, then the two rows w = c chi_0 and y = s chi_1.
    large = torch.sqrt(0.5 + 0.5 * alpha.real.abs())
    small = 0.5 * alpha.imag.abs() / large
    wide = alpha.real >= 0
    cos, sin = torch.where(wide, large, small), torch.where(wide, small, large)
    sin = torch.where(alpha.imag < 0, -sin, sin)
    w, y = cos[:, None] * even + sin[:, None] * odd, cos[:, None] * odd - sin[:, None] * even
    ww, yy = w.square().sum(-1), y.square().sum(-1)
    gamma = torch.complex(ww - yy, -2 * _root(ww * yy))
    h, g = _quaternion(w) / torch.sqrt(2 * ww)[:, None], _quaternion(y)
    pure = -_multiply(_conjugate(h), g)[:, 1:]
    length = pure.square().sum(-1, keepdim=True)
    product = length < TINY**2
    pure = torch.where(product, torch.eye(1, 3).to(x), pure / torch.sqrt(torch.where(product, 1.0, length)))
    ni, nj, nk = pure.unbind(-1)
    sb1, a2 = _root(nj * nj + nk * nk), _unit(torch.complex(-nj, -nk))
    zero = torch.zeros_like(ni)
    _, ii, ji, ki = _turned(h, zero, -a2.imag, a2.real)
    _, ij, _, _ = _turned(h, ni, nj, nk)
    _, ik, jk, kk = _turned(h, sb1, ni * a2.real, ni * a2.imag)
    turn = _unit(torch.complex(ii, ik))
    a0 = torch.complex(-turn.imag, -turn.real)
    a1 = torch.complex(_root(ii * ii + ik * ik), -ij)
    b2 = torch.complex(turn.real * kk - turn.imag * ki, turn.imag * ji - turn.real * jk)
    return torch.stack([gamma, a0, a1, torch.complex(ni, sb1), alpha, a2, b2], dim=-1)


def _root(square: torch.Tensor) -> torch.Tensor:
    """Square root with a gradient of 0 at 0."""
    small = square <= 0
    return torch.where(small, torch.zeros_like(square), torch.where(small, torch.ones_like(square), square).sqrt())


def _quaternion(v: torch.Tensor) -> torch.Tensor:
    """Return √2 times the quaternion (N, 4) of real two-qubit vectors (N, 4)."""
    v0, v1, v2, v3 = v.unbind(-1)
    return torch.stack([v0 + v3, v2 - v1, v0 - v3, v1 + v2], dim=-1)


def _conjugate(a: torch.Tensor) -> torch.Tensor:
    return a * a.new_tensor([1.0, -1, -1, -1])


def _multiply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return products of quaternions (N, 4)."""
    vector = a[:, :1] * b[:, 1:] + b[:, :1] * a[:, 1:] + torch.linalg.cross(a[:, 1:], b[:, 1:])
    return torch.cat([a[:, :1] * b[:, :1] - (a[:, 1:] * b[:, 1:]).sum(-1, keepdim=True), vector], dim=-1)


def _turned(h: torch.Tensor, i: torch.Tensor, j: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the components of h (ii + jj + kk) conj(h)."""
    pure = torch.stack([torch.zeros_like(i), i, j, k], dim=-1)
    return _multiply(_multiply(h, pure), _conjugate(h)).unbind(-1)


def block_units(q: torch.Tensor) -> torch.Tensor:
    """Return exp(i angle), (B, slots) complex128, of the RY angles of blocks (B, d, d); differentiable for d = 2, 4."""
    n, q = qubits_of(q.shape[-1]), q.double()
    if n == 1:
        return torch.complex(q[:, 0, :1], q[:, 1, :1]).square()
    if n > 2:
        return torch.from_numpy(np.exp(1j * synthesise(q.detach().cpu().numpy()).angles)).to(q.device)
    # The block is v -> p v conj(q): its matrix in the quaternions' basis gives the outer product of p and q.
    outer = torch.einsum("zij,ijab->zab", q, torch.as_tensor(quaternion_tensor(), device=q.device))
    row = outer.detach().abs().amax(dim=2).argmax(dim=1)
    right = outer[torch.arange(len(q), device=q.device), row]
    right = right / right.norm(dim=1, keepdim=True)
    left = torch.einsum("zab,zb->za", outer, right)
    b2, a1, b0 = _euler(left)
    a2, b1, a0 = _euler(right)
    return torch.stack([a0, b0, a1, b1.conj(), a2, b2], dim=-1)


def _euler(p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return exp(iu), exp(iw), exp(iv) with p = exp(iu/2) exp(kw/2) exp(iv/2) for unit quaternions p (B, 4)."""
    first, second = torch.complex(p[:, 0], p[:, 1]), torch.complex(p[:, 3], -p[:, 2])
    f2, s2 = (z.real.square() + z.imag.square() for z in (first, second))
    one, two = _unit(first), _unit(second)
    return one * two, torch.complex(f2 - s2, 2 * _root(f2 * s2)), one * two.conj()


def _run(program: Program, units: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Run a program on Pauli vectors (4ⁿ, N); units are exp(i angle) of the slots, (slots, N)."""
    for matrix, gate, qubit in _segments(program):
        if matrix is not None:
            state = torch.as_tensor(matrix).to(state) @ state
        if gate is not None:
            turn = units.new_tensor(np.exp(1j * gate.offset))
            if gate.slice_slot is not None:
                unit = units[gate.slice_slot]
                turn = turn * (unit if gate.sign > 0 else unit.conj())
            state = _turn(state, qubit, turn)
    return state


def _effects(program: Program, units: torch.Tensor, readout: np.ndarray) -> torch.Tensor:
    """Carry the readout's effects (d, 4ⁿ) backwards through the program of blocks with these units (B, slots)."""
    count, (d, size) = len(units), readout.shape
    state = torch.as_tensor(readout, device=units.device).T[:, None, :].expand(size, count, d)
    for matrix, gate, qubit in reversed(_segments(program)):
        if gate is not None:
            turn = torch.full((count,), np.exp(1j * gate.offset), dtype=units.dtype, device=units.device)
            if gate.block_slot is not None:
                unit = units[:, gate.block_slot]
                turn = turn * (unit if gate.sign > 0 else unit.conj())
            state = _turn(state.reshape(size, -1), qubit, turn.conj().repeat_interleave(d)).view(size, count, d)
        if matrix is not None:
            state = torch.einsum("ij,ibk->jbk", torch.as_tensor(matrix, device=units.device), state)
    return state.permute(1, 2, 0)


def _turn(state: torch.Tensor, qubit: int, turn: torch.Tensor) -> torch.Tensor:
    """Apply RZ to Pauli vectors (4ⁿ, N): X and Y of the qubit rotate."""
    parts = state.reshape(-1, 4, 4**qubit, state.shape[-1])
    i, x, y, z = parts.unbind(1)
    return torch.stack([i, turn.real * x - turn.imag * y, turn.imag * x + turn.real * y, z], 1).view(state.shape)


def _segments(program: Program) -> list[tuple[np.ndarray | None, Gate | None, int]]:
    """Return what a program does as matrices, each followed by an RZ gate and its qubit (None for the last)."""
    size = program.size
    out: list[tuple[np.ndarray | None, Gate | None, int]] = []
    matrix: np.ndarray | None = None
    for (code, qubit, other), figures in zip(program.operations, program.figures, strict=True):
        if code == RZ:
            out.append((matrix, program.turns[other], int(qubit)))
            matrix = None
        else:
            one = _operation(int(code), int(qubit), tuple(figures), size)
            matrix = one if matrix is None else one @ matrix
    return out if matrix is None else [*out, (matrix, None, 0)]


@cache
def _operation(code: int, qubit: int, figures: tuple[float, ...], size: int) -> np.ndarray:
    """Return the matrix (4ⁿ, 4ⁿ) of one operation on Pauli vectors."""
    a, b, c = figures
    if code == CZ:
        low = np.diag([1.0, 1, 1, -1])
        paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
        pairs = [np.kron(second, first) for second in paulis for first in paulis]
        small = np.array([[np.trace(p @ low @ r @ low).real / 4 for r in pairs] for p in pairs])
        small = small * np.where(np.arange(16) == 0, 1, a)[:, None]
    elif code == OVER_X:
        small = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, a, -b], [0, 0, b, a]])
    elif code == OVER_ZZ:
        small = np.eye(16)
        for x, y in ((1, 14), (13, 2), (4, 11), (7, 8)):  # XI and YZ, XZ and YI, IX and ZY, ZX and IY
            small[x, x] = small[y, y] = a
            small[x, y], small[y, x] = -b, b
    elif code == SX:
        small = np.array([[1, 0, 0, 0], [0, a, 0, 0], [0, 0, 0, -a], [c, 0, b, 0]])
    else:
        small = np.array([[1, 0, 0, 0], [0, a, 0, 0], [0, 0, a, 0], [c, 0, 0, b]])
    below = 4**qubit
    return np.kron(np.eye(size // (below * len(small))), np.kron(small, np.eye(below)))
