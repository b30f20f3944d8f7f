"""The sections that say what is measured: whose noise, how, and for which cells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cayley_adapters.circuits.noise.snapshots import MEDIANS
from cayley_adapters.circuits.readouts import MEASURED
from cayley_adapters.circuits.sizes import LARGEST_NOISY_BLOCK, runs_as_circuit
from cayley_adapters.core.registry import choices
from cayley_adapters.settings.block_dims import BlockDims, Dimension
from cayley_adapters.settings.fields import Between, Layout, Name, Shots, axis
from cayley_adapters.settings.sections import Device, Section, Threads
from cayley_adapters.simulation.mitigations import MITIGATIONS
from cayley_adapters.simulation.simulators import SIMULATORS

__all__ = ["Evaluate", "Noise", "Sweep"]


_Error = Annotated[float, Between(0, 0.5, below=True)]


class Noise(Section):
    """Whose noise."""

    backend: Name = Field(
        description="Backend whose calibration is scaled, such as FakeFez; the name of a device of medians."
    )
    sx_error: _Error | None = Field(
        description="Median error of SX, of a device of which medians alone are known; null with a snapshot."
    )
    cz_error: _Error | None = Field(description="Median error of CZ, likewise.")
    readout_error: _Error | None = Field(description="Median probability to read a qubit wrongly, likewise.")
    layout: Layout = Field(description="Which of its qubits: median, best, a list of qubits, or a list of such lines.")
    idle: bool = Field(description="Whether qubits that wait for their neighbours relax.")
    drift: Annotated[float, Between(0, 2)] = Field(
        description="How far each qubit's figures and each coupler's error have moved from their calibration: standard "
        "deviation of the logarithm of a factor of its own; 0 is not at all."
    )
    drift_shared: Annotated[float, Between(-0.99, 10)] = Field(
        description="By which share all of them have moved besides: 0.2 is a fifth more errors than calibrated."
    )
    coherent: Annotated[float, Between(0, 1)] = Field(
        description="Share of each CZ's and SX's average error that is over-rotation, as far as relaxation leaves it."
    )
    seed: Annotated[int, Between(0, 2**32 - 1)] = Field(
        description="Of the factors of noise.drift and the signs of noise.coherent."
    )
    twirled: bool = Field(
        description="Whether gates run between random Paulis that leave the circuit what it is: coherent errors act as "
        "their average over them. A processor or its twin has qpu.twirl_gates."
    )
    known_from: Name | None = Field(
        description="Snapshot whose figures mitigation, training and synthesis go by; null is the backend's own."
    )

    @model_validator(mode="after")
    def _check(self) -> Noise:
        given = {name: getattr(self, name) for name in MEDIANS}
        if None in given.values() and any(value is not None for value in given.values()):
            missing = next(name for name, value in given.items() if value is None)
            told = ", ".join(f"noise.{name}={value:g}" for name, value in given.items() if value is not None)
            raise ValueError(
                f"{told}: a device of medians has {', '.join(MEDIANS)}, all three; type noise.{missing}=… as well, or "
                "leave them out"
            )
        if self.medians and self.known_from is not None:
            raise ValueError(
                f"noise.known_from={self.known_from}: has figures of other qubits than noise.backend={self.backend}, "
                "of which medians alone are known; type noise.known_from=null"
            )
        return self

    @property
    def medians(self) -> dict[str, float] | None:
        """The figures of a device of medians; None for a snapshot."""
        found = {name: getattr(self, name) for name in MEDIANS}
        return None if None in found.values() else found


class Evaluate(Section):
    """How perplexity is measured."""

    windows: Annotated[int, Between(1, 1_000_000)] = Field(description="Test windows.")
    context: Annotated[int, Between(0, 32767)] = Field(
        description="Tokens that a scored one has before it at least, by windows that overlap; 0 is side by side."
    )
    shots: Annotated[tuple[Shots, ...], axis(order=float)] = Field(
        description="Shots a circuit, one cell each; inf is unlimited."
    )
    unlimited_shots_block_dims: Annotated[tuple[Dimension, ...], axis(empty=True)] = Field(
        description="Block dimensions that are evaluated with unlimited shots beside the others."
    )
    readout: Literal[tuple(MEASURED)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("What a slice becomes", MEASURED)
    )
    mitigation: Literal[tuple(MITIGATIONS)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("What is undone in measured frequencies, by what the calibration says", MITIGATIONS)
    )
    uncompressed_noise: bool = Field(
        description="Whether the uncompressed model (ratio 0) is run along the noise axis too, or without noise only."
    )
    executor: Literal[tuple(SIMULATORS)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("What runs circuits; Aer is thousands of times slower", SIMULATORS)
    )
    refine: Annotated[int, Between(0, 100)] = Field(
        description="Noise scales that each cell's evaluation adds to the axis where its boundary is uncertain."
    )
    noise_budget_windows: Annotated[int, Between(0, 1_000_000)] = Field(
        description="First test windows on which each source of errors runs alone at noise scale 1; 0 is none."
    )
    batch_windows: Annotated[int, Between(1, 100_000)] = Field(description="Windows evaluated at a time.")
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")
    device: Device = Field(
        description="Where models are evaluated; auto is CUDA where there is any. Noise is simulated on the CPU."
    )

    @property
    def map_shots(self) -> float:
        """Shots a circuit of the map's own cells, the first of ``shots``; infinity is unlimited."""
        return float(self.shots[0])


class Sweep(Section):
    """The axes of the map; every combination is a cell."""

    block_dim: BlockDims = Field(
        description="Block dimensions d, from 2 up: powers of two up to 16 run as circuits of log2 d qubits. Where d "
        "does not divide a projection's inputs its last slice is filled up with zeros; input is one block of all."
    )
    noise_scale: Annotated[tuple[Annotated[float, Between(0, 1000)], ...], axis()] = Field(
        description="Noise scales: 0 is ideal, 1 the device as calibrated."
    )
    compression_ratio: Annotated[tuple[Annotated[float, Between(0, 1, below=True)], ...], axis()] = Field(
        description="Shares of the compressed projections' parameters that are removed."
    )
    seed: Annotated[tuple[Annotated[int, Between(0, 2**32 - 1)], ...], axis()] = Field(
        description="Seeds of training and of shots."
    )

    @model_validator(mode="after")
    def _check(self) -> Sweep:
        others = [d for d in self.block_dim if not runs_as_circuit(d)]
        if others and self.noise_scale != (0.0,):
            raise ValueError(
                f"sweep.block_dim={','.join(map(str, others))}: cannot be run as noisy circuits here; keep to powers "
                f"of two up to {LARGEST_NOISY_BLOCK}, or type sweep.noise_scale=0 as well"
            )
        return self
