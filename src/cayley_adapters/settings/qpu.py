"""The section of the configuration about running blocks on a quantum processor."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cayley_adapters.settings.block_dims import Dimension
from cayley_adapters.settings.fields import Between, Name, Text
from cayley_adapters.settings.sections import Layers, Section, Targets, Threads
from cayley_adapters.simulation.mitigations import MITIGATIONS

__all__ = ["Qpu"]

_KNOWING = tuple(name for name, kind in MITIGATIONS.items() if not kind.measures)
"""Mitigations that need no circuits beside those of the plan."""

MOST_EXECUTIONS = 10_000_000
"""Executions that the service takes in one job."""


class Qpu(Section):
    """Which blocks run on which processor, how they are packed, and what it may cost."""

    service: Literal["twin", "ibm", "local"] = Field(
        description="Where jobs go: an offline twin of the service, IBM Quantum itself, or nowhere: they run here."
    )
    backend: Name = Field(
        description="Processor: a snapshot such as FakeFez, a device such as ibm_fez, or MODULE.NAME of a BackendV2."
    )
    mode: Literal["per_token", "characterise"] = Field(
        description="Run every slice of a text, as the paper did, or measure blocks once and serve tokens classically."
    )
    targets: Targets | None = Field(
        description="Projections of the model that goes to the processor, which is trained for it; null is the map's."
    )
    layers: Layers | None = Field(description="Its decoder layers; null is the map's.")
    compression_ratio: Annotated[float, Between(0, 1, below=True)] | None = Field(
        description="Its compression ratio; null is the smallest of the sweep."
    )
    block_dim: Dimension | None = Field(
        description="Its block dimension; null is 4, or else the smallest of the sweep."
    )
    text: Text | None = Field(description="What is put to it; null is the beginning of the test text.")
    tokens: Annotated[int, Between(1, 100_000)] = Field(
        description="Scored tokens of the text, each with all its slices run; only with mode per_token."
    )
    shots: Annotated[int, Between(1, MOST_EXECUTIONS)] = Field(description="Shots a circuit.")
    quality: Annotated[float, Between(0, 1, above=True)] = Field(
        description="Share of the device's lines of qubits, the best first, that circuits may be packed on."
    )
    spacing: Literal["dense", "sparse"] = Field(
        description="Whether lines that run at once may be neighbours, or not, against crosstalk."
    )
    mitigation: Literal[_KNOWING] = Field(  # type: ignore[valid-type]  # of a table
        description="What is undone in measured frequencies, from the calibration, as evaluate.mitigation has it."
    )
    dynamical_decoupling: Literal["none", "XX", "XpXm", "XY4"] = Field(
        description="Sequence of pulses on qubits that wait."
    )
    twirl_gates: bool = Field(description="Whether two-qubit gates are twirled.")
    twirl_readout: bool = Field(description="Whether readout is twirled.")
    randomizations: Annotated[int, Between(1, 10_000)] = Field(
        description="Random circuits a parameter set, which share its shots evenly, rounded up; only with twirling."
    )
    repetition: Annotated[int, Between(0, 1_000_000)] = Field(
        description="Of the measurement: one that was sent before, wherever from, is not paid again, but another is."
    )
    max_seconds: Annotated[float, Between(0, 10_000_000)] = Field(
        description="Seconds of the processor that a results folder may use in all; no job is sent whose cap is beyond."
    )
    cap_factor: Annotated[float, Between(1, 100)] = Field(
        description="At how many times its estimated seconds the service itself is told to end a job."
    )
    price_per_second: Annotated[float, Between(0, 1_000_000)] = Field(
        description="US dollars a second of the processor; the list price of IBM's pay-as-you-go plan."
    )
    executions_per_job: Annotated[int, Between(1, MOST_EXECUTIONS)] = Field(
        description="Executions in one job; the service takes 10 million, less need less memory."
    )
    unknown_seconds: Annotated[float, Between(0, 10_000_000)] = Field(
        description="How long a submission whose reply was lost is asked for before you are asked to decide."
    )
    agree: bool = Field(
        description="Whether to send, and pay, without asking a person at the terminal; as cayley qpu submit --yes."
    )
    attempts: Annotated[int, Between(1, 100)] = Field(description="Times a job is sent at most, where it failed.")
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")

    @model_validator(mode="after")
    def _check(self) -> Qpu:
        if self.service == "twin" and not self.backend.startswith("Fake"):
            raise ValueError(
                f"qpu.backend={self.backend}: the twin has snapshots such as FakeFez; type qpu.backend=FakeFez, or "
                f"qpu=ibm qpu.backend={self.backend} for the device itself"
            )
        if self.service == "ibm" and self.backend.startswith("Fake"):
            raise ValueError(
                f"qpu.backend={self.backend}: is a snapshot and no device; type the device's name, such as "
                "qpu.backend=ibm_fez, or qpu=twin"
            )
        executions, versions = self.shots, ""
        if self.twirl_gates or self.twirl_readout:
            executions = self.randomizations * math.ceil(self.shots / self.randomizations)
            versions = f" in {self.randomizations} random versions (qpu.randomizations)"
        if executions > self.executions_per_job:
            raise ValueError(
                f"qpu.shots={self.shots}: one circuit's {executions} shots{versions} do not fit "
                f"{self.executions_per_job} executions; lower qpu.shots, or raise qpu.executions_per_job"
            )
        return self
