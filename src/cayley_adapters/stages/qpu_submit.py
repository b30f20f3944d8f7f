"""Send the jobs of a workload, each once."""

from __future__ import annotations

import json

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.qpu.sent import keep_calibration
from cayley_adapters.qpu.workload import load_workload
from cayley_adapters.settings import Settings
from cayley_adapters.stages.device_desk import asking, desk_of

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Send what was not sent before, and write which jobs the workload has."""
    keep_calibration(job.base, job.inputs["calibration"][0])
    options = settings.qpu
    workload = load_workload(job.inputs["workload"][0])
    rows = desk_of(job, options, settings.noise).send(workload, options.price_per_second, asking(options.agree))
    write_file(job.outputs["submitted"], json.dumps(rows, indent=1, default=str) + "\n")
    return Outcome()
