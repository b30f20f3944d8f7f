"""What one job measures: its circuits and values, what identifies them, and how to know them again at the service."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    import numpy as np
    from qiskit.primitives import PrimitiveResult
    from qiskit.primitives.containers.sampler_pub import SamplerPub
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = ["Work", "checked_result", "checked_works", "digest", "size", "size_of_job"]


@dataclass(frozen=True)
class Work:
    """A job to be measured once.

    Attributes:
        key: Hex digest of all that is measured; it identifies the result for ever.
        label: What a person reads.
        pubs: (circuit, values of shape (sets, parameters), shots) each; all with the same number of shots.
        seconds: Estimated QPU time.
        reduce: Makes the array that is kept (counts, say) from the job's result.
        pilot: It is the small first one of several: its charge says how far the estimates of the others are off.
    """

    key: str
    label: str
    pubs: Sequence[tuple[Any, Any, int]]
    seconds: float
    reduce: Callable[[PrimitiveResult], np.ndarray]
    pilot: bool = False


def checked_works(works: Sequence[Work]) -> list[Work]:
    """Return the works, in order.

    Raises:
        CayleyError: If a key is no hex digest or stands for two works, or seconds are no number of seconds.
    """
    keys: set[str] = set()
    for work in works:
        if len(work.key) < 16 or not set(work.key) <= set("0123456789abcdef"):
            raise CayleyError(f"key '{work.key}' of '{work.label}' is not a hex digest of 16 digits or more")
        if work.key in keys:
            raise CayleyError(f"key {work.key[:12]}… stands twice in one list, the second time for '{work.label}'")
        if not (math.isfinite(work.seconds) and work.seconds >= 0):
            raise CayleyError(f"'{work.label}' has {work.seconds} estimated seconds: give a finite number from 0")
        if not work.pubs:
            raise CayleyError(f"'{work.label}' measures nothing: give at least one circuit")
        keys.add(work.key)
    return list(works)


def _pubs(work: Work) -> list[SamplerPub]:
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    return [SamplerPub.coerce(pub) for pub in work.pubs]


def _values(pub: SamplerPub) -> np.ndarray:
    values: np.ndarray = pub.parameter_values.as_array(pub.circuit.parameters)
    return values


def digest(work: Work, backend: str, options: dict[str, Any]) -> str:
    """Return the SHA-256 of what is sent: circuits, values, shots, device and options, the same in every process."""
    total = hashlib.sha256(json.dumps([backend, options], sort_keys=True, default=str).encode())
    for pub in _pubs(work):
        circuit = pub.circuit
        total.update(f"{circuit.num_qubits} {circuit.num_clbits} {circuit.global_phase} {pub.shots}\n".encode())
        for step in circuit.data:
            places = [circuit.find_bit(bit).index for bit in (*step.qubits, *step.clbits)]
            total.update(f"{step.operation.name} {[str(value) for value in step.params]} {places}\n".encode())
        values = _values(pub).astype("<f8")
        total.update(f"{[parameter.name for parameter in circuit.parameters]} {values.shape}\n".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def size(work: Work) -> str:
    """Return, as JSON, the shots, the shape and the SHA-256 of the values of each circuit."""
    return json.dumps([[pub.shots, *_size(_values(pub))] for pub in _pubs(work)])


def _size(values: np.ndarray) -> tuple[list[int], str]:
    shape = [length for length in values.shape if length > 0]  # a circuit without parameters has none or an empty axis
    return shape[:-1] if values.size else shape, hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()


def size_of_job(job: RuntimeJobV2) -> str:
    """Return what :func:`size` says of the work that a job at the service measures.

    Raises:
        Exception: Of many kinds, if the service does not give the job's parameters or they are no Sampler's.
    """
    import numpy as np

    found = []
    program = job.inputs["quantum_program"]  # decoded by the library
    for item in program.items:
        if hasattr(item, "samplex"):  # twirled: the first axis counts randomisations, each with a share of the shots
            values, times = np.empty(0), item.shape[0]
            if "parameter_values" in item.samplex_arguments:
                values = np.asarray(item.samplex_arguments["parameter_values"])
        else:
            values, times = np.empty(0) if item.circuit_arguments is None else np.asarray(item.circuit_arguments), 1
        found.append([program.shots * times, *_size(values)])
    return json.dumps(found)


def checked_result(result: Any, work: Work) -> PrimitiveResult:
    """Return a job's result if it is whole.

    Raises:
        ValueError: If a circuit, a register, a parameter set or a shot is missing.
    """
    from qiskit.primitives import BitArray, PrimitiveResult

    pubs = _pubs(work)
    if not isinstance(result, PrimitiveResult):
        raise ValueError(f"{type(result).__name__} instead of a result")
    if len(result) != len(pubs):
        raise ValueError(f"results of {len(result)} circuits instead of {len(pubs)}")
    for number, (found, pub) in enumerate(zip(result, pubs, strict=True)):
        for register in pub.circuit.cregs:
            bits = getattr(found.data, register.name, None)
            if not isinstance(bits, BitArray):
                raise ValueError(f"no register '{register.name}' of circuit {number}")
            if bits.num_bits != register.size or bits.shape != pub.parameter_values.shape:
                raise ValueError(
                    f"register '{register.name}' of circuit {number} has {bits.num_bits} bits of {bits.shape} sets, "
                    f"not {register.size} of {pub.parameter_values.shape}"
                )
            if bits.num_shots < pub.shots:  # twirling may give more
                raise ValueError(f"{bits.num_shots} shots instead of {pub.shots} of circuit {number}")
    return result
