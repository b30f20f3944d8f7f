"""Channels of gates, built from their calibrated errors, and the same errors in Qiskit Aer's terms.

A gate's channel is depolarisation of all its qubits, then relaxation of each over the gate's duration (towards |0>).
The calibrated error already contains the relaxation, so the depolarising parameter p is what remains: with the
average gate fidelity F of the relaxation alone, p = D (e - (1 - F)) / (D F - 1), and 0 where relaxation alone exceeds
the error. This is what ``qiskit_aer.noise.NoiseModel.from_backend`` does. Where a share of the error is coherent, an
over-rotation comes first, RX(t) after SX and exp(-i t ZZ/2) after CZ with the angle t that has this share as its
average error, and F is that of over-rotation and relaxation together: e stays what it is. Where gates are twirled,
the over-rotation is averaged over the Paulis around it: X (or ZZ) with probability sin(t/2)^2, which shrinks the Pauli
strings that do not commute with it by cos t and turns none into another (J. Wallman and J. Emerson,
doi:10.1103/PhysRevA.94.052325). Relaxation and depolarisation are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cayley_adapters.circuits.noise.calibration import Line, Qubit

if TYPE_CHECKING:
    from qiskit_aer.noise import QuantumError

__all__ = ["Channel", "aer_error", "cz_channel", "delay_channel", "sx_channel"]


@dataclass(frozen=True)
class Channel:
    """A gate's noise: it rotates too far, Pauli strings but the identity shrink by ``keep``, then each qubit relaxes.

    Attributes:
        keep: 1 - p of the depolarising channel.
        transverse: exp(-t/T2) for each qubit: factor of its X and Y components.
        longitudinal: exp(-t/T1) for each qubit: Z becomes longitudinal Z + (1 - longitudinal) I.
        turn: Over-rotation in radians, about X of one qubit or ZZ of two; it commutes with ``keep``.
        twirled: Whether only its average over Paulis acts.
    """

    keep: float
    transverse: tuple[float, ...]
    longitudinal: tuple[float, ...]
    turn: float = 0.0
    twirled: bool = False

    @property
    def rotation(self) -> tuple[float, float]:
        """Diagonal and off-diagonal entry by which over-rotation acts on Pauli strings: cos t and sin t, or 0."""
        return math.cos(self.turn), 0.0 if self.twirled else math.sin(self.turn)


def sx_channel(line: Line, qubit: int) -> Channel:
    """Return the noise of SX on one of the circuit's qubits."""
    figures = line.qubits[qubit]
    share = line.hidden.share(line.indices[qubit])
    return _channel(figures.sx_error, figures.sx_duration, [figures], share, line.hidden.twirled)


def cz_channel(line: Line, low: int) -> Channel:
    """Return the noise of CZ on the circuit's qubits low and low + 1."""
    figures, pair = line.couplers[low], slice(low, low + 2)
    share = line.hidden.share(*line.indices[pair])
    return _channel(figures.cz_error, figures.cz_duration, line.qubits[pair], share, line.hidden.twirled)


def delay_channel(line: Line, qubit: int, duration: float) -> Channel:
    """Return the noise of a qubit that waits, for a duration in seconds."""
    return _channel(0.0, duration, [line.qubits[qubit]])


def _channel(
    error: float, duration: float, qubits: Sequence[Qubit], coherent: float = 0.0, twirled: bool = False
) -> Channel:
    """Build a gate's channel from its total average error, the relaxation over its duration and its coherent share."""
    transverse = tuple(math.exp(-duration / qubit.t2) for qubit in qubits)
    longitudinal = tuple(math.exp(-duration / qubit.t1) for qubit in qubits)
    dim = 2 ** len(qubits)
    process = math.prod((1 + 2 * a + b) / 4 for a, b in zip(transverse, longitudinal, strict=True))
    turn = 0.0
    if coherent:
        turn, process = _over_rotation(error, coherent, process, transverse, longitudinal)
    fidelity = (dim * process + 1) / (dim + 1)
    excess, most = error - (1 - fidelity), dim**2 / (dim**2 - 1)
    p = 0.0
    if excess > 0:
        p = min(dim * excess / max(dim * fidelity - 1, 1e-300), most)
    return Channel(1 - p, transverse, longitudinal, turn, twirled)


def _over_rotation(
    error: float, share: float, process: float, transverse: tuple[float, ...], longitudinal: tuple[float, ...]
) -> tuple[float, float]:
    """Return the over-rotation that has a share of a gate's average error, at most what relaxation leaves of it.

    A rotation by t about X or ZZ has the process fidelity cos(t/2)^2, and shrinks by cos t the diagonal entries of the
    Pauli strings that do not commute with it, here those of the relaxation.

    Args:
        error: The gate's total average error.
        share: Of it, with the sign of the rotation.
        process: Process fidelity of the relaxation.
        transverse: See :class:`Channel`.
        longitudinal: See :class:`Channel`.

    Returns:
        The angle in radians, and the process fidelity of rotation and relaxation together.
    """
    dim = 2 ** len(transverse)
    if dim == 2:
        turned = transverse[0] + longitudinal[0]
    else:
        (a0, a1), (b0, b1) = transverse, longitudinal
        turned = 2 * (a0 + a1 + a0 * b1 + b0 * a1)
    lost = (dim + 1) / dim * error  # of the process fidelity
    cos = max(1 - 2 * abs(share) * lost, 1 - dim**2 * max(process - 1 + lost, 0.0) / turned, -1.0)
    return math.copysign(math.acos(cos), share), process - (1 - cos) * turned / dim**2


def aer_error(
    error: float, duration: float, qubits: Sequence[Qubit], turn: float = 0.0, twirled: bool = False
) -> QuantumError:
    """Return a gate's error in Aer's own terms: depolarisation, over-rotation, relaxation, of a total average error."""
    from qiskit.circuit.library import RXGate, RZZGate
    from qiskit.quantum_info import average_gate_fidelity
    from qiskit_aer.noise import coherent_unitary_error, depolarizing_error, pauli_error, thermal_relaxation_error

    first, *others = [thermal_relaxation_error(qubit.t1, qubit.t2, duration) for qubit in qubits]
    relaxation = first
    for other in others:
        relaxation = relaxation.expand(other)
    if turn:
        if twirled:
            flip = math.sin(turn / 2) ** 2
            over = pauli_error([("I" * len(qubits), 1 - flip), ("X" if len(qubits) == 1 else "ZZ", flip)])
        else:
            over = coherent_unitary_error((RXGate(turn) if len(qubits) == 1 else RZZGate(turn)).to_matrix())
        relaxation = over.compose(relaxation)
    fidelity, dim = average_gate_fidelity(relaxation), 2 ** len(qubits)
    if error <= 1 - fidelity:
        return relaxation
    p = min(dim * (error - 1 + fidelity) / (dim * fidelity - 1), dim**2 / (dim**2 - 1))
    return depolarizing_error(p, len(qubits)).compose(relaxation)
