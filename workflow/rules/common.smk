"""Configuration, checked before the DAG is built, and what all stages share."""

# `snakemake --lint` asks for a conda environment a job. All jobs here run in the one environment that requirements.txt
# pins (environment.yml for conda), since they share one library.

import functools
import json
import os
import re
import shlex
import sys
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import typed
from cayley_adapters.core.job import job_to_json
from cayley_adapters.core.messages import printable, without_secrets
from cayley_adapters.pipeline.costs import estimate_of, usable_cores
from cayley_adapters.pipeline.failures import explain
from cayley_adapters.pipeline.feasibility import require_feasible, require_tasks
from cayley_adapters.pipeline.fingerprint import fingerprint
from cayley_adapters.pipeline.jobs import comparison_job, make_job
from cayley_adapters.pipeline.levers import NO_LEVERS
from cayley_adapters.pipeline.locks import hold_as_workflow
from cayley_adapters.pipeline.own_files import own_files
from cayley_adapters.pipeline.replacing import claim, require_same
from cayley_adapters.pipeline.signals import stop_on_signals
from cayley_adapters.pipeline.store import FORCE, place_links
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.variants import stored_folders, variants
from cayley_adapters.pipeline.warm import serve_jobs
from cayley_adapters.report.wandb.runs import track_with
from cayley_adapters.settings import from_snakemake_config, split_overrides

try:
    SETTINGS = from_snakemake_config(config)
    require_feasible(SETTINGS)
    require_tasks(SETTINGS)
    RUNS = variants(SETTINGS)  # results folder → its configuration
    require_same(RUNS.values())
    chosen = [f"experiment={config['experiment']}"] if "experiment" in config else []
    typed([*chosen, *split_overrides(config.get("overrides") or "")])
except CayleyError as error:
    raise WorkflowError(printable(without_secrets(str(error)))) from None

STORED = {base: variant for base, [(_, _, variant), *_] in stored_folders(RUNS).items()}
BASES = RUNS | STORED
track_with(SETTINGS[0].track.model_dump(mode="json"), RUNS)


wildcard_constraints:
    ratio=r"ratio[0-9.e-]+",
    block=r"d([0-9]+|input)",
    control=r"[a-z0-9_]+(-d[0-9]+)?",
    seed=r"seed[0-9]+",
    lever=r"[a-z0-9_-]+",


def folders(row):
    """Where a stage's files may lie: for what compares variants in the run's folder, one level above their own."""
    if row.name == "compare":
        return re.escape(f"results/{SETTINGS[0].run}")
    found = [base for base in STORED if Path(base).parent.name == row.name] if row.stored else RUNS
    return "|".join(map(re.escape, found)) or "[]"


def job(stage, wildcards):
    """The job of a stage for one set of wildcards."""
    if stage == "compare":
        return comparison_job(SETTINGS)
    return job_of_cell(stage, wildcards.base, *(getattr(wildcards, name) for name in STAGES[stage].wildcards))


@functools.cache
def job_of_cell(stage, base, *cell):
    """The same, made once for all that a rule asks of it."""
    # What a processor measured belongs on the map where it is asked for, and wherever it is there already.
    asked = "qpu" in (workflow.dag_settings.targets or ())
    return make_job(stage, BASES[base], dict(zip(STAGES[stage].wildcards, cell, strict=True)), device=asked)


def inputs(stage):
    """Input function of a stage: its files, gathered over the axes that it does not run over, and the user's own."""

    def found(wildcards):
        paths = {name: list(map(str, files)) for name, files in job(stage, wildcards).inputs.items()}
        return paths | user_files(stage, wildcards)

    return found


def spec(stage):
    """The job as JSON: exactly the leaves that the stage may read, so that a change of any other one runs nothing."""
    return lambda wildcards: job_to_json(job(stage, wildcards))


def code(stage):
    """Hash of the library code that the stage runs: an edit runs again the jobs that it touches."""
    return fingerprint(STAGES[stage].module)


def user_files(stage, wildcards):
    """The user's own text, model and questions, so that editing one makes anew what was made from it."""
    return {"own": paths} if (paths := list(map(str, own_files(job(stage, wildcards))))) else {}


def outputs(row):
    """A stage's files. Those of the store stay until they are replaced: another run may read them."""
    return {name: update(pattern) if row.stored else pattern for name, pattern in row.outputs.items()}


def made(*stages):
    """What stages write in each results folder."""
    return [pattern.format(base=base) for base in RUNS for name in stages for pattern in STAGES[name].outputs.values()]


def levers_asked_for(wildcards):
    """What compares the levers of each variant; asked for only once the target is known."""
    if not SETTINGS[0].levers.names:
        raise WorkflowError(NO_LEVERS)
    return made("levers")


COMPARISON = list(map(str, comparison_job(SETTINGS).outputs.values())) if len(SETTINGS) > 1 else []
REAL_PROCESSOR = any(settings.qpu.service == "ibm" for settings in SETTINGS)
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")  # Snakemake formats what it stands in
RUN_JOB = (
    f"{PYTHON} -m cayley_adapters.pipeline.warm.client {{params.job:q}} {{output[0]:q}} 2>&1 | tee {{log:q}} || "
    f"{PYTHON} -m cayley_adapters.pipeline.failures {{log:q}} ${{{{PIPESTATUS[*]}}}}"
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
        HELD.append(hold_as_workflow(folder, map(Path, RUNS)))
        planned_files = {str(path) for item in workflow.dag.jobs for path in item.output}
        claim(RUNS.values(), planned_files)
        place_links(RUNS.values(), lambda one: str(next(iter(one.outputs.values()))) in planned_files)
    except (CayleyError, OSError) as error:
        raise WorkflowError(explain(error) or str(error)) from None
    if workflow.dag_settings.forceall or workflow.dag_settings.forcerun or workflow.dag_settings.forcetargets:
        os.environ[FORCE] = "1"
    HELD.append(stop_on_signals("Stopped. Run the same command again to go on: finished work is kept."))
    todo = [item.params.job for item in workflow.dag.needrun_jobs() if "job" in item.params.keys()]
    at_once = min(workflow.cores or 1, usable_cores()) if workflow.local_exec else workflow.nodes
    known = {str(folder): SETTINGS[0]} | {base: variant.settings for base, variant in BASES.items()}
    print(estimate_of(todo, known, at_once or 1), file=sys.stderr)
    if workflow.local_exec:
        serve_jobs([job["threads"] for job in map(json.loads, todo) if STAGES[job["stage"]].threads])


onerror:
    if not HELD[-1].is_set():
        print("A job failed and its log is named above. Mend the cause and run the same command again; finished work is kept.")
