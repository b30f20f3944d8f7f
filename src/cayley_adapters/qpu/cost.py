"""What a workload costs on a processor: circuits, executions, jobs, seconds and price.

A parameter set of a packed circuit runs one (slice, block) pair on each of its lines of qubits. The processor repeats
it for every shot, each time after a pause in which qubits relax to |0> (the repetition delay), so that a job takes ::

    seconds = JOB_SECONDS + executions * (repetition delay + duration of the circuit)

This is how IBM's guide "Workload usage" estimates a Sampler job; a job's true usage is billed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cayley_adapters.core.messages import text_table

__all__ = [
    "CAP_FACTOR",
    "COST_COLUMNS",
    "JOB_SECONDS",
    "PAPER",
    "PILOT_CAP_FACTOR",
    "PILOT_EXECUTIONS",
    "STOP_FACTOR",
    "Cost",
    "Packing",
    "paper_costs",
    "preparations",
    "split_circuits",
]

JOB_SECONDS = 2.0
"""Seconds that a job takes beside its executions."""

CAP_FACTOR = 2.0
"""At how many times its estimate the service is told to end a job, where nothing else is asked for."""

PILOT_CAP_FACTOR = 8.0
"""The same of the pilot, which is to show how far the estimates are off rather than to be cut short."""

STOP_FACTOR = 1.5
"""How many times its estimate a job may use until sending stops and a new estimate is to be agreed to. IBM's own rule
of thumb, 2 + 0.00035 an execution, is 1.4 times the formula above at a repetition delay of 250 microseconds."""

PILOT_EXECUTIONS = 40_000
"""Executions of the pilot, about ten seconds."""

PAPER = {"blocks": 1024, "block_dim": 4, "tokens": 83, "shots": 8192, "lines": 64}
"""arXiv:2605.05914: one projection of Llama 3.1 8B and one sequence, 1,328 circuits: of 64 blocks each, as 83 tokens of
1,024 blocks make 84,992 pairs (our arithmetic)."""

COST_COLUMNS = [
    *("workload", "mode", "spacing", "blocks", "tokens", "pairs", "lines", "mean_cz_error", "circuits", "shots"),
    *("executions", "jobs", "seconds", "price_usd"),
]


def split_circuits(circuits: int, shots: int, executions_per_job: int, first: bool) -> list[int]:
    """Return how many packed circuits of one length each job holds.

    Args:
        circuits: All of them.
        shots: Executions a circuit.
        executions_per_job: Limit of a job.
        first: These are the first to be sent: of many, a few are a small job of their own, the pilot.

    Example:
        >>> split_circuits(700, 8192, 2_500_000, first=True)
        [4, 305, 305, 86]
        >>> split_circuits(16, 8192, 2_500_000, first=True)
        [16]
    """
    step, pilot = max(1, executions_per_job // shots), max(1, PILOT_EXECUTIONS // shots)
    sizes = [pilot] if first and circuits > 4 * pilot and pilot < step else []
    rest = circuits - sum(sizes)
    return sizes + [min(step, rest - start) for start in range(0, rest, step)]


def preparations(block_dim: int) -> int:
    """Return the number of slices that determine a block's effects, d(d + 1)/2."""
    return block_dim * (block_dim + 1) // 2


@dataclass(frozen=True)
class Packing:
    """How pairs of slice and block are put on a processor.

    Attributes:
        spacing: ``dense`` or ``sparse``.
        lines: Lines of qubits that run at once.
        mean_cz_error: Of their couplers; not a number where there are none.
        seconds_per_execution: Repetition delay and duration of the circuit.
    """

    spacing: str
    lines: int
    mean_cz_error: float
    seconds_per_execution: float


@dataclass(frozen=True)
class Cost:
    """What a workload costs.

    Attributes:
        groups: Number of blocks of each length of circuit; those of different lengths cannot run at once.
        tokens: Tokens served; None for any number.
        slices: Slices run through each block: those of the tokens, or preparations.
        packing: How they are packed.
        shots: Shots a circuit, those of all its random versions together.
        executions_per_job: Limit of a job.
        price_per_second: US dollars.
    """

    groups: Sequence[int]
    tokens: int | None
    slices: int
    packing: Packing
    shots: int
    executions_per_job: int
    price_per_second: float

    @property
    def mode(self) -> str:
        """``per_token`` or ``characterise``."""
        return "characterise" if self.tokens is None else "per_token"

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(self.groups)

    @property
    def pairs(self) -> int:
        """Slices run through a block: the circuits that would run one by one."""
        return self.blocks * self.slices

    @property
    def _circuits(self) -> list[int]:
        """Packed circuits of each length."""
        lines = self.packing.lines
        if self.tokens is not None:
            return [math.ceil(blocks * self.slices / lines) for blocks in self.groups]
        # All preparations of a block run on the same qubits.
        return [self.slices * math.ceil(blocks / lines) for blocks in self.groups]

    @property
    def circuits(self) -> int:
        """Packed circuits, that is, parameter sets."""
        return sum(self._circuits)

    @property
    def executions(self) -> int:
        """Runs of a circuit, over all shots."""
        return self.circuits * self.shots

    @property
    def jobs(self) -> int:
        """Jobs after splitting, the pilot included; a parameter set is never split."""
        limits = self.shots, self.executions_per_job
        return sum(len(split_circuits(circuits, *limits, not i)) for i, circuits in enumerate(self._circuits))

    @property
    def seconds(self) -> float:
        """Estimated seconds of the processor."""
        return self.jobs * JOB_SECONDS + self.executions * self.packing.seconds_per_execution

    def row(self, workload: str) -> dict[str, object]:
        """Return the columns of :data:`COST_COLUMNS`."""
        return {
            "workload": workload,
            "mode": self.mode,
            "spacing": self.packing.spacing,
            "blocks": self.blocks,
            "tokens": self.tokens,
            "pairs": self.pairs,
            "lines": self.packing.lines,
            "mean_cz_error": self.packing.mean_cz_error,
            "circuits": self.circuits,
            "shots": self.shots,
            "executions": self.executions,
            "jobs": self.jobs,
            "seconds": round(self.seconds, 1),
            "price_usd": round(self.seconds * self.price_per_second, 2),
        }


def paper_costs(packings: list[Packing], executions_per_job: int, price: float) -> list[dict[str, object]]:
    """Return the paper's protocol as it was run, and as it would be with other packings and in both modes.

    Args:
        packings: Ways to pack two-qubit blocks.
        executions_per_job: Limit of a job.
        price: US dollars a second.
    """
    blocks, tokens, once = [PAPER["blocks"]], PAPER["tokens"], preparations(PAPER["block_dim"])
    limits = PAPER["shots"], executions_per_job, price
    own = Packing("paper", PAPER["lines"], math.nan, packings[0].seconds_per_execution)
    rows = [Cost(blocks, tokens, tokens, packing, *limits) for packing in (own, *packings)]
    rows += [Cost(blocks, None, once, packing, *limits) for packing in packings]
    return [cost.row("paper") for cost in rows]


def cost_table(rows: list[dict[str, Any]]) -> str:
    """Return costs as a table to read in a terminal."""
    names = ["workload", "mode", "lines", "blocks", "tokens", "pairs", "circuits", "executions", "jobs"]
    found = []
    for row in rows:
        minutes, seconds = divmod(round(row["seconds"]), 60)
        found.append(
            {
                "workload": str(row["workload"]).rsplit("/", 1)[-1],
                "mode": str(row["mode"]),
                "lines": f"{row['lines']} {row['spacing']}",
                "tokens": "any" if row["tokens"] is None else f"{row['tokens']:,}",
                **{name: f"{row[name]:,}" for name in ("blocks", "pairs", "circuits", "executions", "jobs")},
                "QPU time": f"{minutes} min {seconds:02d} s",
                "US $": f"{row['price_usd']:,.0f}",
            }
        )
    return text_table(found, [*names, "QPU time", "US $"], right=[*names[3:], "QPU time", "US $"])
