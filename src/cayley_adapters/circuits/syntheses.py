"""The syntheses: how a trained block becomes a circuit."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Registry

__all__ = ["SYNTHESES", "Synthesis"]


@dataclass(frozen=True, kw_only=True)
class Synthesis(Entry):
    """A synthesis, as its users know it before it runs.

    Attributes:
        synthesis_builder: blocks (B, d, d) → their circuits; it takes a line of qubits, too, where circuits are
            ``directed``.
        circuits: whether blocks are run as circuits.
        directed: whether circuits are made for the device's noise at ``transpile.noise_scale``.
        compared: whether circuits are then made as long as those of Qiskit's own synthesis, whose gates are counted on
            ``transpile.compared_blocks``.
        searched: whether circuits take a search, which is most of its time.
    """

    synthesis_builder: str
    circuits: bool = True
    directed: bool = False
    compared: bool = False
    searched: bool = False


SYNTHESES = Registry(
    "synthesis",
    [
        Synthesis(
            name="exact",
            title="exact",
            sentence="exactly",
            synthesis_builder="cayley_adapters.circuits.synthesis:synthesise",
            searched=True,
        ),
        Synthesis(
            name="noise_aware",
            title="noise-aware",
            sentence="up to where a further two-qubit gate costs more than it gains",
            synthesis_builder="cayley_adapters.circuits.synthesis:synthesise_for",
            directed=True,
            searched=True,
        ),
        Synthesis(
            name="qiskit",
            title="as long as Qiskit's",
            sentence="exactly, with as many CZ gates as Qiskit's synthesis",
            synthesis_builder="cayley_adapters.circuits.synthesis:synthesise",
            compared=True,
        ),
        Synthesis(
            name="none",
            title="none",
            sentence="not at all: blocks run ideally, with noise scale 0 only",
            synthesis_builder="cayley_adapters.circuits.synthesis:synthesise",
            circuits=False,
        ),
    ],
)
"""Name → synthesis."""
