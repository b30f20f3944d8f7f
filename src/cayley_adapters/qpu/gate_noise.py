"""Qiskit Aer's noise of a device's gates and of its readout, with what its calibration does not say of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.noise.calibration import Coupler, Line, Qubit
from cayley_adapters.circuits.noise.channels import aer_error, cz_channel, sx_channel

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit.transpiler import InstructionProperties, Target
    from qiskit_aer.noise import NoiseModel, QuantumError

    from cayley_adapters.circuits.noise.hidden import Hidden

__all__ = ["confusions", "gate_noise"]

_COHERENT = ("sx", "cz")
"""Gates that may rotate too far."""


def gate_noise(backend: BackendV2, qubits: tuple[int, ...], names: Iterable[str], hidden: Hidden) -> NoiseModel:
    """Return Aer's noise of named gates, and of delays, on some of a device's qubits, numbered in the given order."""
    from qiskit.transpiler import Target
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    whole = backend.target
    properties = whole.qubit_properties and [_times(whole, q, hidden) for q in qubits]
    target = Target(num_qubits=len(qubits), dt=whole.dt, qubit_properties=properties)
    place = {q: i for i, q in enumerate(qubits)}
    turned: list[tuple[str, tuple[int, ...], QuantumError]] = []
    for name in names:
        entries = (whole[name] or {}).items()
        kept = {key: _drifted(entry, key, hidden) for key, entry in entries if key and place.keys() >= set(key)}
        if hidden.coherent and name in _COHERENT:
            errors = [(key, entry) for key, entry in kept.items() if entry is not None and entry.error is not None]
            turned += [(name, key, _over_rotated(backend, key, entry, hidden)) for key, entry in errors]
        elif kept:
            numbered = {tuple(place[q] for q in key): entry for key, entry in kept.items()}
            target.add_instruction(whole.operation_from_name(name), numbered, name=name)
    model = NoiseModel.from_backend(AerSimulator(target=target), readout_error=False)
    for name, key, error in turned:
        model.add_quantum_error(error, name, [place[q] for q in key], warnings=False)
    return model


def _times(target: Target, qubit: int, hidden: Hidden) -> object:
    """Return a qubit's properties, with relaxation times that have drifted."""
    from qiskit.transpiler import QubitProperties

    stated = target.qubit_properties[qubit]
    if not (hidden.drift or hidden.shared) or stated is None:
        return stated
    factor = hidden.factor(qubit)
    t1, t2 = (time and time / factor for time in (stated.t1, stated.t2))
    return QubitProperties(t1=t1, t2=t2, frequency=stated.frequency)


def _drifted(entry: InstructionProperties | None, key: tuple[int, ...], hidden: Hidden) -> InstructionProperties | None:
    """Return the figures of a gate on some qubits after they have drifted."""
    from qiskit.transpiler import InstructionProperties

    if not (hidden.drift or hidden.shared) or entry is None or entry.error is None:
        return entry
    dim = 2 ** len(key)
    most = max(entry.error, dim / (dim + 1))
    return InstructionProperties(entry.duration, min(hidden.factor(*key) * entry.error, most))


def _over_rotated(
    backend: BackendV2, key: tuple[int, ...], entry: InstructionProperties, hidden: Hidden
) -> QuantumError:
    """Return the error of SX or CZ on some qubits where a share of it is coherent."""
    figures = []
    for q in key:
        times = (backend.target.qubit_properties or {q: None})[q] and _times(backend.target, q, hidden)
        t1, t2 = (getattr(times, name, None) or math.inf for name in ("t1", "t2"))
        figures.append(Qubit(t1, min(t2, 2 * t1), entry.error, entry.duration or 0.0, 0.0, 0.0))
    coupler = (Coupler(entry.error, entry.duration or 0.0),) if len(key) > 1 else ()
    line = Line(key, tuple(figures), coupler, hidden=hidden)
    turn = cz_channel(line, 0).turn if coupler else sx_channel(line, 0).turn
    return aer_error(entry.error, entry.duration or 0.0, figures, turn)


@lru_cache(maxsize=16)
def confusions(backend: BackendV2, hidden: Hidden) -> np.ndarray:
    """Return p(read | true) of all of a device's qubits, (qubits, 2, 2)."""
    from qiskit_aer.noise.device import basic_device_readout_errors

    properties = backend.properties() if hasattr(backend, "properties") else None
    errors = basic_device_readout_errors(properties, None if properties else backend.target)
    tables = np.tile(np.eye(2), (backend.num_qubits, 1, 1))
    for (qubit,), error in errors:
        tables[qubit] = error.probabilities.T
        if hidden.drift or hidden.shared:
            flips = tables[qubit, 1, 0], tables[qubit, 0, 1]
            up, down = (min(hidden.factor(qubit) * flip, max(flip, 0.5)) for flip in flips)
            tables[qubit] = [[1 - up, down], [up, 1 - down]]
    return tables
