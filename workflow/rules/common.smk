"""Configuration, checked before the DAG is built, and what all stages share."""

# `snakemake --lint` asks for a conda environment a job. All jobs here run in the one environment that requirements.txt
# pins (environment.yml for conda), since they share one library.

import functools
import re
import sys
from pathlib import Path

from cayley_adapters.pipeline.costs import estimate_of, usable_cores
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.failures import explain
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.pipeline.fingerprint import fingerprint
from cayley_adapters.pipeline.run import job_to_json
from cayley_adapters.pipeline.jobs import bases, comparison_job, make_job
from cayley_adapters.pipeline.levers import NO_LEVERS
from cayley_adapters.core.messages import printable, without_secrets
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.paths import DEVICE_RESULTS
from cayley_adapters.settings import from_snakemake_config
from cayley_adapters.pipeline.signals import stop_on_signals
from cayley_adapters.report.wandb.runs import track_with
from cayley_adapters.pipeline.locks import hold_as_workflow

try:
    SETTINGS = from_snakemake_config(config)
    require_feasible(SETTINGS)
except CayleyError as error:
    raise WorkflowError(printable(without_secrets(str(error)))) from None

BASES = bases(SETTINGS)
track_with(SETTINGS[0].track.model_dump(mode="json"))


wildcard_constraints:
    base="|".join(re.escape(base) for base in BASES),
    ratio=r"ratio[0-9.e-]+",
    block=r"d[0-9]+",
    control=r"(lora|oft|boft)-d[0-9]+|ia3",
    seed=r"seed[0-9]+",
    lever=r"[a-z0-9_-]+",


def job(stage, wildcards):
    """The job of a stage for one set of wildcards."""
    return job_of_cell(stage, wildcards.base, *(getattr(wildcards, name) for name in STAGES[stage].wildcards))


@functools.cache
def job_of_cell(stage, base, *folders):
    """The same, made once for all that a rule asks of it."""
    # What a processor measured belongs on the map where it is asked for, and wherever it is there already.
    asked = "qpu" in (workflow.dag_settings.targets or ())
    cell = dict(zip(STAGES[stage].wildcards, folders, strict=True))
    return make_job(stage, base, BASES[base], cell, device=asked)


def inputs(stage):
    """Input function of a stage, with its files gathered over the axes that the stage does not run over."""
    return lambda wildcards: {
        name: [str(path) for path in paths] for name, paths in job(stage, wildcards).inputs().items()
    }


def spec(stage):
    """The job as JSON: exactly the leaves that the stage may read, so that a change of any other one runs nothing."""
    return lambda wildcards: job_to_json(job(stage, wildcards))


def code(stage):
    """Hash of the library code that the stage runs: an edit runs again the jobs that it touches."""
    return fingerprint(f"stages.{stage}")


def user_files(wildcards):
    """The user's own text and model files, so that editing one prepares anew."""
    settings = BASES[wildcards.base]
    model = sorted(Path(settings.model.path).glob("*.safetensors")) if settings.model.path else []
    return [str(path) for path in [*(settings.data.train or ()), *(settings.data.test or ()), *model]]


def question_file(wildcards):
    """The user's own questions, so that editing them asks anew."""
    path = BASES[wildcards.base].questions.path
    return [path] if path else []


def targets(base):
    """What a map consists of."""
    return [
        pattern.format(base=base)
        for stage in ("configure", "compare_circuits", "aggregate", "phase_diagram", "scaling", "recovery")
        for pattern in STAGES[stage].outputs.values()
    ]


COMPARISON = [comparison_job(SETTINGS)] if len(SETTINGS) > 1 else []
RUN_JOB = (
    f"{sys.executable} -m cayley_adapters.pipeline.run {{params.job:q}} {{output[0]:q}} 2>&1 | tee {{log}} || "
    f"{sys.executable} -m cayley_adapters.pipeline.failures {{log:q}} ${{{{PIPESTATUS[*]}}}}"
)
HELD = []  # the results folder's lock, until this process ends, and whether a signal has stopped it


onstart:
    if not workflow.local_exec and workflow.global_resources.get("machine_cores").value is not None:
        raise WorkflowError(
            "this machine's cores and memory would bound what runs on the cluster, since Snakemake loads profiles/default "
            "beside --profile; type --workflow-profile profiles/slurm instead"
        )
    # Snakemake's own lock survives a kill and then blocks the next run; a kernel lock ends with its process.
    folder = Path("results") / SETTINGS[0].run
    try:
        HELD.append(hold_as_workflow(folder, map(Path, BASES)))
    except (CayleyError, OSError) as error:
        raise WorkflowError(explain(error) or str(error)) from None
    HELD.append(stop_on_signals("Stopped. Run the same command again to go on: finished work is kept."))
    todo = [item.params.job for item in workflow.dag.needrun_jobs() if "job" in item.params.keys()]
    at_once = min(workflow.cores or 1, usable_cores()) if workflow.local_exec else workflow.nodes
    print(estimate_of(todo, BASES, at_once or 1), file=sys.stderr)


onerror:
    if not HELD[-1].is_set():
        print("A job failed and its log is named above. Mend the cause and run the same command again; finished work is kept.")
