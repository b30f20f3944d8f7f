"""What a command does with a stage: its jobs run here, and what they lack is answered with what makes it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say
from cayley_adapters.pipeline.failures import explain
from cayley_adapters.pipeline.feasibility import require_tasks
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.levers import NO_LEVERS
from cayley_adapters.pipeline.locks import hold_as_command
from cayley_adapters.pipeline.replacing import claim, require_same
from cayley_adapters.pipeline.run import limit_threads, run_job
from cayley_adapters.pipeline.signals import leaving_on_signals
from cayley_adapters.pipeline.store import place_links
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.targets import target_of
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.report.wandb.runs import track_with

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job
    from cayley_adapters.settings import Settings

__all__ = ["require_inputs", "run_stage", "words_of"]

STOPPED = "Stopped. Run the same command again: training goes on from its last checkpoint."


def run_stage(stage: str, settings: Sequence[Settings], words: Sequence[str]) -> None:
    """Run all jobs of a stage, one after the other, in this process.

    Args:
        stage: its name.
        settings: one configuration a variant.
        words: those of the command after the stage, for a hint.

    Raises:
        CayleyError: an input is missing, another process works in the folder, or a job failed.
    """
    of = variants(settings).values()
    require_same(of)
    todo = list(jobs(settings, stage))
    if not todo and stage == "heal":
        raise CayleyError("heal: nothing to do, since heal.steps=0; type for how many steps, such as heal.steps=100")
    if not todo and stage == "levers":
        raise CayleyError(f"{stage}: nothing to do, {NO_LEVERS}")
    if stage == "compress":
        # A compressed model is worth having alone, and all that it needs is the model and the text.
        todo = [job for job in jobs(settings, "prepare") if not all(map(Path.exists, job.outputs.values()))] + todo
    if stage in ("ask_benchmarks", "benchmarks"):
        require_tasks(settings)
    if stage == "benchmarks":
        # Nothing that is answered is asked again, so that this costs little where all is there.
        todo = [*jobs(settings, "ask_benchmarks"), *todo]
    made = {path for job in todo for path in job.outputs.values()}
    limit_threads(max((job.threads for job in todo), default=1))
    for job in todo:
        require_inputs(job, job.label, made, words)
    with leaving_on_signals(STOPPED), hold_as_command(Path("results", settings[0].run)):
        claim(of)
        for job in todo:  # once more: what it read may have been of another configuration, and let go
            require_inputs(job, job.label, made, words)
        place_links(of, lambda one: not made.isdisjoint(one.outputs.values()))
        track_with(settings[0].track.model_dump(mode="json"), [variant.folder for variant in of])
        for job in todo:
            say(f"{job.label} → {job.base}")
            try:
                run_job(job)
            except Exception as error:
                if isinstance(error, CayleyError) or (said := explain(error, job.stage)) is None:
                    raise
                raise CayleyError(f"{job.label} failed: {said}") from error


def require_inputs(
    job: Job, label: str, made: Container[Path], words: Sequence[str], names: Container[str] | None = None
) -> None:
    """Say which command makes what a job reads and is not there.

    Args:
        job: the job.
        label: what it is called.
        made: paths that are made before it.
        words: of the command, for the hint.
        names: of the inputs that count; all if None.

    Raises:
        CayleyError: a file is missing.
    """
    for paths in (paths for name, paths in job.inputs.items() if names is None or name in names):
        if missing := [path for path in paths if path not in made and not path.exists()]:
            whole = shlex.join(["cayley", "run", target_of(job.stage), *words])
            raise CayleyError(
                f"{label} needs {missing[0]}, which is not there. Make it with: {_making(missing[0], words)}\n"
                f"Or make all that leads there with: {whole}"
            )


def _making(path: Path, words: Sequence[str]) -> str:
    """The command that makes a file of a results folder or of the store."""
    for name, stage in STAGES.items():
        for pattern in stage.outputs.values():
            parts = re.split(r"\{\w+\}", pattern.removeprefix("{base}/"))
            if re.search("(^|/)" + "[^/]+".join(map(re.escape, parts)) + "$", str(path)):
                return shlex.join(["cayley", *words_of(name), *words])
    raise RuntimeError(f"no stage writes {path}")


def words_of(stage: str) -> list[str]:
    """The words that run a stage: ``train``, but ``qpu submit``."""
    return ["qpu", stage.removeprefix("qpu_")] if stage.startswith("qpu_") else [stage]
