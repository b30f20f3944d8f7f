"""How circuits are sampled: shots, jobs, and the options of the Sampler that change what is executed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden

if TYPE_CHECKING:
    from cayley_adapters.circuits.noise.calibration import Calibration

__all__ = ["Sampling"]


@dataclass(frozen=True)
class Sampling:
    """Options of a workload's jobs.

    Attributes:
        shots: Asked for, a circuit.
        dynamical_decoupling: ``none`` or the sequence of pulses on qubits that wait.
        twirl_gates: Whether two-qubit gates are twirled.
        twirl_readout: Whether readout is twirled.
        randomizations: Random versions of a circuit where anything is twirled.
        executions_per_job: Limit of a job.
        repetition: Of the same measurement, counted from 0.
        hidden: How the twin's device differs from its calibration; nobody can ask another for this.
    """

    shots: int
    dynamical_decoupling: str = "none"
    twirl_gates: bool = False
    twirl_readout: bool = False
    randomizations: int = 32
    executions_per_job: int = 10_000_000
    repetition: int = 0
    hidden: Hidden = NOTHING

    @property
    def twirled(self) -> bool:
        """Whether a circuit runs in random versions."""
        return self.twirl_gates or self.twirl_readout

    @property
    def executions_per_circuit(self) -> int:
        """Shots that are really taken: with twirling the same number of each random version, so more than asked for."""
        if not self.twirled:
            return self.shots
        return self.randomizations * math.ceil(self.shots / self.randomizations)

    @property
    def versions(self) -> int:
        """Random versions of each circuit."""
        return self.randomizations if self.twirled else 1

    @property
    def pulses(self) -> int:
        """Pulses that decoupling puts between two gates of a qubit, as many as its longest sequence has."""
        return 0 if self.dynamical_decoupling == "none" else 4

    def noise(self, calibration: Calibration, lines: Sequence[Sequence[int]]) -> DeviceNoise:
        """Return what the simulator assumes of the processor under these options.

        Twirled readout has symmetric flips. Dynamical decoupling is scheduled, so that qubits which wait do so for a
        known time and relax; its pulses' own errors are not in the model.
        """
        known = calibration.symmetric() if self.twirl_readout else calibration
        chosen = tuple(tuple(line) for line in lines)
        return DeviceNoise(known, 1.0, chosen, idle=self.dynamical_decoupling != "none")

    def options(self) -> dict[str, Any]:
        """Return the options of :class:`qiskit_ibm_runtime.executor_sampler.Sampler`."""
        chosen: dict[str, Any] = {"default_shots": self.shots}
        if self.dynamical_decoupling != "none":
            chosen["dynamical_decoupling"] = {"enable": True, "sequence_type": self.dynamical_decoupling}
        if self.twirled:
            chosen["twirling"] = {
                "enable_gates": self.twirl_gates,
                "enable_measure": self.twirl_readout,
                "num_randomizations": self.randomizations,
                "shots_per_randomization": math.ceil(self.shots / self.randomizations),
            }
        return chosen
