"""What the snapshots of devices in ``qiskit_ibm_runtime`` can do, read from their files without loading Qiskit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["MEDIANS", "MEDIAN_QUBITS", "UNUSABLE", "Snapshot", "median_snapshot", "snapshot_of"]

UNUSABLE = 0.5
"""Gates with at least this calibrated error are left out, as are those without calibration."""

NATIVE = {"rz", "sx", "cz"}

MEDIANS = ("sx_error", "cz_error", "readout_error")
"""What is known of a device of medians, see :mod:`cayley_adapters.circuits.noise.medians`."""

MEDIAN_QUBITS = 64
"""Qubits of such a device, in a line: more than any block has."""


@dataclass(frozen=True)
class Snapshot:
    """A device as far as layouts depend on it.

    Attributes:
        name: such as ``FakeFez``.
        qubits: number of its qubits.
        usable: its usable qubits.
        couplers: pairs of usable qubits with a usable CZ gate, the smaller number first.
    """

    name: str
    qubits: int
    usable: frozenset[int]
    couplers: frozenset[tuple[int, int]]


@cache
def _folders() -> dict[str, Path]:
    """Name → folder of its files."""
    spec = find_spec("qiskit_ibm_runtime")
    if spec is None or spec.origin is None:
        return {}
    backends = Path(spec.origin).parent / "fake_provider" / "backends"
    imports = re.findall(r"from \.(\w+) import (Fake\w+)", (backends / "__init__.py").read_text(encoding="utf-8"))
    return {name: backends / folder for folder, name in imports if list((backends / folder).glob("props_*.json"))}


@cache
def snapshot_of(name: str) -> Snapshot:
    """Read a snapshot.

    Raises:
        CayleyError: there is none of that name, or its native gates are not those that blocks are brought to.
    """
    if name not in _folders():
        raise CayleyError(
            f"backend '{name}' is unknown{nearest(name, _folders())}; Heron snapshots are FakeFez, FakeKingston"
        )
    about, calibration = (_json(_folders()[name], kind) for kind in ("conf", "props"))
    if absent := NATIVE - set(about["basis_gates"]):
        raise CayleyError(
            f"{name} has no native {', '.join(sorted(absent))} gate; take a snapshot of a Heron, such as FakeFez"
        )
    usable: dict[str, set[tuple[int, ...]]] = {"sx": set(), "cz": set()}
    for gate in calibration["gates"]:
        figures = {figure["name"]: figure["value"] for figure in gate["parameters"]}
        if gate["gate"] in usable and figures.get("gate_error", 1.0) < UNUSABLE:
            usable[gate["gate"]].add(tuple(sorted(gate["qubits"])))
    qubits = frozenset(q for (q,) in usable["sx"])
    return Snapshot(name, about["n_qubits"], qubits, frozenset((a, b) for a, b in usable["cz"] if {a, b} <= qubits))


def median_snapshot(name: str) -> Snapshot:
    """A device of medians as far as layouts depend on it."""
    couplers = frozenset((a, a + 1) for a in range(MEDIAN_QUBITS - 1))
    return Snapshot(name, MEDIAN_QUBITS, frozenset(range(MEDIAN_QUBITS)), couplers)


def _json(folder: Path, kind: str) -> dict[str, Any]:
    (path,) = folder.glob(f"{kind}_*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
