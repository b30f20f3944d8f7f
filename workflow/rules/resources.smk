"""What each rule asks of the machine or cluster that runs it: cores, memory, minutes and, where configured, a GPU."""

# `threads:` is not used: Snakemake caps it at --cores, and results depend on threads in their last digits. Each job sets its
# libraries' threads to the number in the configuration (cayley_adapters.pipeline.run), and asks for as many cores here.

from math import ceil

from cayley_adapters.pipeline.costs import job_cost

# Where one types, even if all else runs on a cluster: what fetches model, text or questions or talks to a service, since
# compute nodes are often cut off from the internet.
localrules:
    configure,
    prepare,
    question_set,
    publish_dashboard,


if any(settings.qpu.service != "twin" for settings in SETTINGS):

    localrules:
        qpu_plan,
        qpu_submit,
        qpu_collect,


MEMORY_MARGIN = 1.25  # the cost model is good to a factor, and a job above its limit is killed
TIME_MARGIN = 3  # the cost model knows this machine; a cluster's node may be slower, and shared
START_MINUTES = 10  # importing the libraries from a shared file system

# Each resource of each job asks again, which counts with thousands of cells.
PLANNED = {}


def planned(stage, wildcards):
    """A job, and what it is predicted to take."""
    key = (stage, *wildcards)
    if key not in PLANNED:
        made = job(stage, wildcards)
        PLANNED[key] = made, job_cost(made, BASES[wildcards.base])
    return PLANNED[key]


def cores(stage):
    """Cores that a job keeps busy: its threads, which the configuration says for all models alike."""
    return SETTINGS[0].leaf(STAGES[stage].threads) if STAGES[stage].threads else 1


def memory(stage, least):
    """Memory in MiB, twice as much at each further attempt."""
    return lambda wildcards, attempt: (
        max(least, ceil(planned(stage, wildcards)[1].memory_mb * MEMORY_MARGIN)) * 2 ** (attempt - 1)
    )


def minutes(stage):
    """Run time, twice as much at each further attempt."""
    return lambda wildcards, attempt: (
        (START_MINUTES + ceil(planned(stage, wildcards)[1].seconds * TIME_MARGIN / 60)) * 2 ** (attempt - 1)
    )


def gpus(stage):
    """One where the stage's ``device`` is ``cuda``; else not even zero, which Kubernetes would take for a request."""
    section = STAGES[stage].threads.partition(".")[0] if STAGES[stage].threads else None
    device = SETTINGS[0].leaf(section).get("device") if section else None
    return {"gpu": 1} if device == "cuda" else {}


def needs(stage, least=2000):
    """The resources of a stage's rule.

    ``machine_cores`` bounds what runs at once on one machine (profiles/default); Slurm reads the others. ``least`` is what
    a small model takes, in MiB.
    """
    return {
        "machine_cores": cores(stage),
        "cpus_per_task": cores(stage),
        "mem_mb": memory(stage, least),
        "runtime": minutes(stage),
        **gpus(stage),
    }
