"""Angles that prepare a real slice on a line of qubits, in closed form and without trigonometry.

Every angle is needed only as the unit complex number exp(i angle), which square roots give directly. RY(t) here is
exp(t J / 2) with J = [[0, -1], [1, 0]]; a slice is normalised first, and a zero slice is prepared as e_0.

n = 1: RY(a)|0> with exp(ia) = (x_0 + i x_1)^2; the circuit has no other gate than the one merged with the block's.

n = 2 (1 CZ): RY(gamma) on qubit 0 and |+> on qubit 1, CZ, then RY(alpha) on qubit 0 and RY(beta - pi/2) on qubit 1.
With x_{k1 k0} and c, s = cos, sin(gamma/2) the real Schmidt form reads ::

    S1 = (x00 + x11) + i (x10 - x01) = (c - s) exp(i (beta - alpha)/2)
    S2 = (x00 - x11) + i (x01 + x10) = (c + s) exp(i (beta + alpha)/2)

so that with z = S/|S|: exp(i alpha) = z2 conj(z1), exp(i beta) = z1 z2, cos gamma = |S1||S2| and
sin gamma = (|S2|^2 - |S1|^2)/2. Where S vanishes (multiples of rotations and reflections), z = 1.

n = 3 (3 CZ): the Schmidt form across qubit 0, x = c u(alpha) chi_0 + s u'(alpha) chi_1 with c >= s, has
exp(i alpha) in the direction of (a - b) + 2i m, where a, b are the squared norms of the halves of x with qubit 0 in 0
and 1, and m is their scalar product (alpha = 0 where that vanishes). Qubits 0 and 1 get c|00> + s|11> as for n = 2
(gamma with cos(gamma/2) = c and sin(gamma/2) = -s). Then an isometry takes |00> to chi_0 and |01> to chi_1 on qubits
(2, 1): RY(a0) and RY(pi/2), CZ, RY(a1) and RY(b1), CZ, RY(a2) and RY(b2), the a on qubit 1, the b on qubit 2.
It follows from quaternions. A real two-qubit vector is (S1 + S2 j)/sqrt2 with S1, S2 as above; RY(b) on the upper
qubit is left multiplication by exp(ib/2), RY(a) on the lower one right multiplication by exp(-ia/2), and between two
CZ they are right multiplication by exp(kb/2) and left multiplication by exp(ka/2). The circuit is therefore
v -> p v conj(q) with ::

    p = exp(i b2/2) exp(k a1/2) exp(i pi/4),      q = exp(i a2/2) exp(-k b1/2) exp(i a0/2)

|00> and |01> are v0 = (1 + j)/sqrt2 and v1 with conj(v0) v1 = -i, so q i conj(q) = N := -conj(chi_0) chi_1 and
p = chi_0 q conj(v0). N gives b1 and a2: N = (cos b1, -sin b1 cos a2, -sin b1 sin a2). What is left free in q, a0, turns
p e^{-i pi/4} by exp(-j a0/2) from the right, so that b2, a1 and -a0 are its Tait-Bryan angles about i, k, j, which
always exist. A product state leaves chi_1 free: N = i is taken. All choices depend on the slice alone, and
simulator and circuits share them.

n = 4 (9 CZ): the Schmidt form across the middle, x = sum_j w_j v_j u_j with rotations u of qubits 0 and 1 and v of
qubits 2 and 3 (only w_3 may be negative). The vector w is prepared on qubits 0 and 1 as for n = 2, j = a + 2b on
|a>|b>. Four CNOT gates 1 -> 2, 2 -> 3, 0 -> 1, 1 -> 2 carry |a, b, 0, 0> to |a, a+b, a, b>: the lower two qubits and
the upper two both know j, and u and v, each with its 2 CZ, follow. In this labelling the lower qubits hold 0, 3, 2, 1
for j = 0, 1, 2, 3. Each CNOT is a CZ between RY(-pi/2) and RY(pi/2) of its target.

n = 5 (21 CZ): the same with qubits 2, 3 and 4 for the upper two, on which v has four orthonormal columns, completed to
a rotation in SO(8) with its 14 CZ.

The quaternion form of SO(4) is that of the magic basis: Vatan and Williams, Phys. Rev. A 69, 032315 (2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.ansatz import qubits_of
from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["preparation_angles"]

SLICE_SLOTS = {1: 1, 2: 3, 3: 7, 4: 15, 5: 40}
"""Angles of a preparation on n qubits, the n merged ones last."""


def preparation_angles(x: ArrayLike) -> np.ndarray:
    """Return the RY angles of the circuits that prepare slices, as unit complex numbers.

    Args:
        x: Slices, (N, d) with d = 2 to 32, real, of any norm; zero slices stand for e_0.

    Returns:
        exp(i angle), complex128, (N, 1), (N, 3), (N, 7), (N, 15) or (N, 40) for d = 2, 4, 8, 16, 32, in the order of
        the slice slots of :func:`cayley_adapters.circuits.gates.skeleton`.

    Raises:
        CayleyError: If x has another shape.
    """
    from cayley_adapters.kernels.pauli import TILE
    from cayley_adapters.kernels.preparation import prepare

    x = np.asarray(x)
    if x.ndim != 2:
        raise CayleyError(f"slices come as an array (N, d), not {x.shape}")
    if qubits_of(x.shape[1]) == 5:
        return _five_qubits(x.astype(np.float64))
    slots = SLICE_SLOTS[qubits_of(x.shape[1])]
    angles = np.empty((len(x), slots), dtype=np.complex128)
    for start in range(0, len(x), TILE):
        part = x[start : start + TILE]
        v = np.zeros((x.shape[1], TILE))
        v[:, : len(part)] = part.T
        cos, sin = np.zeros((2, slots, TILE))
        prepare(v.ravel(), x.shape[1], len(part), np.empty(TILE), cos.ravel(), sin.ravel())
        angles[start : start + TILE] = (cos + 1j * sin)[:, : len(part)].T
    return angles


def _five_qubits(x: np.ndarray) -> np.ndarray:
    """Return the units of five-qubit slices (N, 32), whose upper rotation is searched for slice by slice."""
    from cayley_adapters.circuits.synthesis import block_angles

    top = np.abs(x).max(axis=1, keepdims=True)
    unit = np.where(top == 0, np.eye(1, 32), x / np.where(top == 0, 1, top))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    v, w, u = np.linalg.svd(unit.reshape(-1, 8, 4))
    flip = np.linalg.det(v) < 0
    v[flip, :, 7] *= -1
    u = u[:, [0, 3, 2, 1]].transpose(0, 2, 1)  # the lower qubits hold 0, 3, 2, 1 for 0, 1, 2, 3
    odd = np.linalg.det(u) < 0
    u[odd, :, 1] *= -1
    w[odd, 3] *= -1
    lower, upper = block_angles(np.ascontiguousarray(u)), block_angles(v)
    last = [27, 29, 30]  # of the upper rotation's angles, the closing ones of its three qubits
    rest = np.setdiff1d(np.arange(upper.shape[1]), last)
    parts = [lower[:, :4], upper[:, rest], lower[:, 4:], upper[:, last]]
    return np.concatenate([preparation_angles(w), np.exp(1j * np.concatenate(parts, axis=1))], axis=1)
