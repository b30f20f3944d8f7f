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

The quaternion form of SO(4) is that of the magic basis: Vatan and Williams, Phys. Rev. A 69, 032315 (2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits import qubits_of
from cayley_adapters.errors import CayleyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["preparation_angles"]

SLICE_SLOTS = {1: 1, 2: 3, 3: 7}
"""Angles of a preparation on n qubits, the n merged ones last."""


def preparation_angles(x: ArrayLike) -> np.ndarray:
    """Return the RY angles of the circuits that prepare slices, as unit complex numbers.

    Args:
        x: Slices, (N, d) with d = 2, 4 or 8, real, of any norm; zero slices stand for e_0.

    Returns:
        exp(i angle), complex128, (N, 1), (N, 3) or (N, 7) for d = 2, 4, 8, in the order of the slice slots of
        :func:`cayley_adapters.circuits.skeleton`.

    Raises:
        CayleyError: If x has another shape.
    """
    from cayley_adapters.kernels import TILE, prepare

    x = np.asarray(x)
    if x.ndim != 2:
        raise CayleyError(f"slices come as an array (N, d), not {x.shape}")
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
