"""What each rule asks of the machine or cluster that runs it: cores, memory, minutes and, where configured, a GPU."""

# `threads:` is not used: Snakemake caps it at --cores, and results depend on threads in their last digits. Each job sets its
# libraries' threads to the number in the configuration (cayley_adapters.pipeline.run), and asks for as many cores here.

from math import ceil

from cayley_adapters.pipeline.costs import job_cost

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
        PLANNED[key] = made, job_cost(made, getattr(BASES.get(wildcards.base), "settings", SETTINGS[0]))
    return PLANNED[key]


def cores(row):
    """Cores that a job keeps busy: its threads, in the variant that has most of them."""
    return max(settings.leaf(row.threads) for settings in SETTINGS) if row.threads else 1


def memory(row):
    """Memory in MiB, twice as much at each further attempt; what a small model takes at the least."""
    return lambda wildcards, attempt: (
        max(row.memory_mb, ceil(planned(row.name, wildcards)[1].memory_mb * MEMORY_MARGIN)) * 2 ** (attempt - 1)
    )


def minutes(row):
    """Run time, twice as much at each further attempt."""
    return lambda wildcards, attempt: (
        (START_MINUTES + ceil(planned(row.name, wildcards)[1].seconds * TIME_MARGIN / 60)) * 2 ** (attempt - 1)
    )


def gpus(row):
    """One where the stage's ``device`` is ``cuda`` in some variant; else not even zero, which Kubernetes would take for a request."""
    section = row.threads.partition(".")[0] if row.threads else None
    devices = {settings.leaf(section).get("device") for settings in SETTINGS} if section else set()
    return {"gpu": 1} if "cuda" in devices else {}


def needs(row):
    """The resources of a stage's rule.

    ``machine_cores`` bounds what runs at once on one machine (profiles/default); Slurm reads the others.
    """
    return {
        "machine_cores": cores(row),
        "cpus_per_task": cores(row),
        "mem_mb": memory(row),
        "runtime": minutes(row),
        **gpus(row),
    }
