"""Calibrations read from backends: what each states, what is left out of it, and what is taken to be symmetric."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.snapshots import UNUSABLE
from cayley_adapters.core.errors import CayleyError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qiskit.providers import BackendV2
    from qiskit.transpiler import InstructionProperties, Target
    from qiskit_ibm_runtime.models import BackendProperties

__all__ = ["calibration_named", "calibration_of", "snapshot"]

NATIVE = ("rz", "sx", "cz", "measure")


def snapshot(name: str) -> BackendV2:
    """Return the backend of a name such as ``FakeFez`` from ``qiskit_ibm_runtime.fake_provider``.

    Raises:
        CayleyError: If there is none.
    """
    from qiskit_ibm_runtime import fake_provider

    known = [entry for entry in dir(fake_provider) if entry.startswith("Fake") and "Provider" not in entry]
    if name not in known:
        raise CayleyError(
            f"backend '{name}' is unknown{nearest(name, known)}; Heron snapshots are FakeFez, FakeKingston"
        )
    return getattr(fake_provider, name)()


@cache
def calibration_named(name: str) -> Calibration:
    """Return the figures of a snapshot, read once: an evaluation asks for them at every noise scale.

    Raises:
        CayleyError: If there is no snapshot of that name.
    """
    return calibration_of(snapshot(name))


def calibration_of(backend: BackendV2) -> Calibration:
    """Read the figures of a backend's usable qubits and couplers from its target.

    Missing T1 counts as infinite and missing T2 as 2 T1, which is also the most that T2 is taken for; readout flips
    come from the backend's properties (``prob_meas1_prep0``, ``prob_meas0_prep1``) or else are both the target's
    measurement error. A gate that the target has on no qubits in particular (a global one) is on all, and a global CZ
    joins each qubit to the next. A qubit with a figure that cannot be right is left out, with all its couplers, as are
    gates that are not calibrated or have an error of 1/2 or more; :attr:`Calibration.notes` says what was wrong and
    what is assumed.

    Raises:
        CayleyError: If the backend is no BackendV2 with a calibrated target of rz, sx and cz gates.
    """
    target: Target | None = getattr(backend, "target", None)
    if target is None:
        raise CayleyError(f"{backend!r} is no Qiskit BackendV2; give one, or a name such as 'FakeFez'")
    if absent := set(NATIVE) - set(target.operation_names):
        raise CayleyError(
            f"{backend.name} has no native {', '.join(sorted(absent))}; use a Heron device, or its snapshot"
        )
    if target.num_qubits is None:
        raise CayleyError(f"{backend.name} does not say how many qubits it has; give a target with num_qubits")
    sx, cz, measure = (_on_qubits(target, name) for name in ("sx", "cz", "measure"))
    if all(gate is None or gate.error is None for table in (sx, cz, measure) for gate in table.values()):
        raise CayleyError(
            f"{backend.name} is not calibrated: its target states no error of sx, cz or measure; give a backend that "
            "does, or the plain model DeviceNoise.depolarizing(p1, p2)"
        )
    properties = backend.properties() if hasattr(backend, "properties") else None
    notes: list[str] = []
    qubits = {}
    for q in range(target.num_qubits):
        gate, reading = sx.get((q,)), measure.get((q,))
        if gate is None or not _usable(gate) or reading is None or reading.error is None:
            continue
        figures = _qubit(target, q, gate, _flips(properties, q, reading.error))
        if fault := figures.fault():
            notes.append(f"qubit {q} is left out: {fault}")
        else:
            qubits[q] = figures
    couplers = {}
    for (a, b), gate in cz.items():
        if _usable(gate) and a in qubits and b in qubits:
            assert gate is not None
            figures_of_pair = Coupler(gate.error, gate.duration or 0.0)
            if fault := figures_of_pair.fault():
                notes.append(f"coupler {a}-{b} is left out: {fault}")
            else:
                couplers[a, b] = figures_of_pair
    one_way = [pair for pair in couplers if pair[::-1] not in cz]
    couplers |= {(b, a): couplers[a, b] for a, b in one_way}
    notes += _assumed(target, properties)
    return Calibration(backend.name, qubits, couplers, tuple(notes))


def _on_qubits(target: Target, name: str) -> Mapping[tuple[int, ...], InstructionProperties | None]:
    """Return a gate's figures by qubits; a global one is on every qubit, or on each pair of neighbouring numbers."""
    table: dict[tuple[int, ...] | None, InstructionProperties | None] = dict(target[name] or {None: None})
    if None not in table:
        return {qubits: gate for qubits, gate in table.items() if qubits is not None}
    size = 2 if name == "cz" else 1
    return {tuple(range(q, q + size)): table[None] for q in range(target.num_qubits - size + 1)}


def _usable(gate: InstructionProperties | None) -> bool:
    """Say whether a gate is calibrated and of use; one whose error is wrong is told of, and not just left out."""
    return gate is not None and gate.error is not None and not gate.error >= UNUSABLE


def _qubit(target: Target, q: int, gate: InstructionProperties, flips: tuple[float, float]) -> Qubit:
    times = (target.qubit_properties or [None] * target.num_qubits)[q]
    given = [getattr(times, name, None) for name in ("t1", "t2")]
    t1 = math.inf if given[0] is None else given[0]
    t2 = math.inf if given[1] is None else given[1]
    most = 2 * t1
    return Qubit(t1, most if t2 > most else t2, gate.error, gate.duration or 0.0, *flips)


def _flips(properties: BackendProperties | None, qubit: int, error: float) -> tuple[float, float]:
    """Return p(1|0) and p(0|1) of a qubit."""
    known = {} if properties is None else {item.name: item.value for item in properties.qubits[qubit]}
    return known.get("prob_meas1_prep0", error), known.get("prob_meas0_prep1", error)


def _assumed(target: Target, properties: BackendProperties | None) -> list[str]:
    """Say what the figures do not state."""
    told = []
    if properties is None:
        told.append("readout flips are taken to be symmetric: one error is known of each qubit's readout")
    if None in dict(target["cz"] or {None: None}):
        told.append("its CZ is global: lines of qubits follow their numbers")
    if target.qubit_properties is None:
        told.append("qubits do not relax: T1 and T2 are not known")
    return told
