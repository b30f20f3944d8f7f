"""What a stage of the pipeline is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cayley_adapters.report.wandb.tracked import TrackedRun

__all__ = ["Outcome", "Stage"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One rule and one subcommand.

    Attributes:
        name: as it is typed.
        sentence: one line for ``cayley --help``.
        outputs: name → path pattern.
        inputs: name → path pattern; patterns with wildcards that the stage itself lacks stand for all their values.
        leaves: dotted keys of the configuration that the stage may read.
        wildcards: the axes it runs over, of ``ratio``, ``block``, ``control`` and ``seed``.
        threads: dotted key of its number of CPU threads, one of ``leaves`` or within one; it has one thread if None.
        runs: module of :mod:`cayley_adapters.stages` whose ``run`` does the work; that of its own name if None.
        rule: what Snakemake calls it where a target has its name; its own name if None.
        priority: among jobs that are ready; others wait for those with a high one.
        memory_mb: what a small model takes, in MiB.
        shows: whether it shows what others have made.
        internal: whether nobody needs it alone: it can be called, and is not listed.
        processor: whether it talks to a processor's service.
        stored: whether its files lie once in the store, for all runs, and results folders link to them.
        local: whether it runs where one types, even if all else runs on a cluster: what fetches model, text or
            questions or talks to a service, since compute nodes are often cut off from the internet.
    """

    name: str
    sentence: str
    outputs: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()
    threads: str | None = None
    runs: str | None = None
    rule: str | None = None
    priority: int = 0
    memory_mb: int = 2000
    shows: bool = False
    internal: bool = False
    processor: bool = False
    stored: bool = False
    local: bool = False

    @property
    def rule_name(self) -> str:
        """What Snakemake calls it."""
        return self.rule or self.name

    @property
    def module(self) -> str:
        """Module below the package whose ``run`` does its work."""
        return f"stages.{self.runs or self.name}"

    @property
    def log(self) -> str:
        """Path pattern of its rule's log."""
        return "{base}/logs/" + "-".join([self.name, *(f"{{{axis}}}" for axis in self.wildcards)]) + ".log"


@dataclass(frozen=True)
class Outcome:
    """What a stage has to say beside its files; whoever runs it writes it down.

    Attributes:
        used: what it read beside its inputs, such as hashes of a model's files, for the job's record.
        tracked: runs of W&B.
    """

    used: Mapping[str, Any] = field(default_factory=dict)
    tracked: Sequence[TrackedRun] = ()
