"""Run one job: what each Snakemake rule's shell command calls, and ``cayley`` within its own process."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from contextlib import nullcontext
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import printable, say, without_secrets
from cayley_adapters.core.registry import load
from cayley_adapters.pipeline.failures import begin, explain
from cayley_adapters.pipeline.jobs import with_paths
from cayley_adapters.pipeline.locks import end_with_workflow, hold_as_job
from cayley_adapters.pipeline.provenance import write_provenance
from cayley_adapters.pipeline.records import log_path, write_record
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.pipeline.store import taken
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings.schema import partial

__all__ = ["folder_of", "job_from_json", "limit_threads", "main", "run_job"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "QISKIT_NUM_PROCS",
)
"""Where numpy, torch, numba, tokenizers and Qiskit each look for a number of threads, or of processes."""

THREAD_LIMITS = ("OMP_DYNAMIC", "OMP_THREAD_LIMIT", "MKL_DYNAMIC", "MKL_DOMAIN_NUM_THREADS")
"""What lets a library use fewer threads than it was told to, some of them by how busy the machine is."""


def run_job(job: Job) -> None:
    """Run a job in this process, record what its files come from, and track what its stage asks for.

    A stage's ``run`` is given the job and the settings that it may read, and returns an :class:`Outcome`. What another
    run makes at this very time is waited for, and not made again.
    """
    from cayley_adapters.report.wandb.runs import (  # late: it loads NumPy, whose threads are limited before
        log_earlier,
        log_job,
    )

    with taken(job) as made:
        if made:
            say(f"{job.label}: made already, in {job.base}")
            return
        outcome: Outcome = load(f"cayley_adapters.{STAGES[job.stage].module}:run")(job, partial(job.leaves))
        write_provenance(job, outcome.used)
        log_job(job.base, job.name, outcome.tracked)
        if job.stage == "aggregate":
            log_earlier(job.base)


def job_from_json(text: str) -> Job:
    """Read a job written by :func:`job_to_json`.

    Raises:
        CayleyError: the text is none.
    """
    try:
        job = TypeAdapter(Job).validate_json(text, strict=True)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise CayleyError(f"this is no job ({reason}): {text[:80]!r}; run snakemake or cayley") from error
    if job.stage not in STAGES:
        raise CayleyError(f"unknown stage {job.stage!r}; known: {', '.join(STAGES)}")
    return with_paths(job)


def limit_threads(count: int) -> None:
    """Let every library that this process loads from here on use ``count`` CPU threads.

    Jobs run beside each other: left alone, each library of each job would start as many threads as there are cores.
    What the user's shell says of threads does not count, since results depend on their number in the last digits.
    """
    os.environ.update({name: str(count) for name in THREAD_VARIABLES})
    for name in THREAD_LIMITS:
        os.environ.pop(name, None)


def folder_of(job: Job, output: str) -> Path:
    """The folder that a job's paths start from, told by where its first output is to be.

    That is the working directory, unless Snakemake keeps files in a storage and hands out its local copies of them.
    """
    first = next(iter(job.outputs.values()))
    return Path(*Path(output).parts[: -len(first.parts)])


def main() -> int:
    """Run the job that the first argument describes, with files where the second, its first output, says."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the workflow says what there is to say of Ctrl-C
    end_with_workflow()
    job = job_from_json(sys.argv[1])
    limit_threads(job.threads)
    # PEFT reads an attribute that transformers has renamed; a user can do nothing about it.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    os.chdir(folder_of(job, sys.argv[2]))
    try:
        with nullcontext() if STAGES[job.stage].stored else hold_as_job(Path(job.base)):
            run_job(job)
            write_record(job)
    except Exception as error:
        said, log = explain(error, job.stage), log_path(job)
        if said is None or os.environ.get("CAYLEY_DEBUG"):
            print(without_secrets(traceback.format_exc()), file=sys.stderr, end="")
        if said is not None:
            print(printable(without_secrets(f"{begin(log)}{said} Its log: {log}")), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
