"""The simulators: what runs noisy circuits where there is no processor."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Registry

__all__ = ["SIMULATORS", "Simulator"]


@dataclass(frozen=True, kw_only=True)
class Simulator(Entry):
    """A simulator, as its users know it before it runs.

    Attributes:
        simulator_builder: ``(blocks, circuits, noise)`` → what makes its
            :class:`cayley_adapters.simulation.executors.NoisyExecutor` of ``shots``, ``seed``, ``mitigation`` and
            ``ideal``.
        ideal_blocks: whether it runs blocks that have no circuits, too, as on an ideal device.
        once: whether it is fast enough to measure blocks' maps.
    """

    simulator_builder: str
    ideal_blocks: bool = False
    once: bool = False


SIMULATORS = Registry(
    "executor",
    [
        Simulator(
            name="noisy",
            title="batched simulator",
            sentence="a batched simulator of density matrices that is tested to equal Qiskit Aer{aer}",
            simulator_builder="cayley_adapters.simulation.executors:batched",
            ideal_blocks=True,
            once=True,
        ),
        Simulator(
            name="aer",
            title="Qiskit Aer",
            sentence="Qiskit Aer{aer}",
            simulator_builder="cayley_adapters.simulation.executors:by_aer",
        ),
    ],
)
"""Name → simulator, as ``evaluate.executor`` has it."""
