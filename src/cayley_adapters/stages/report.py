"""Write the report of a run: one page that opens without a network."""

from __future__ import annotations

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.page import Evidence, calibration_date, render_report
from cayley_adapters.settings import Settings, load_settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``report.html`` from the files that the stage's inputs name."""
    inputs, outputs = job.inputs, job.outputs
    files = {path.name: path.read_bytes() for paths in inputs.values() for path in paths}
    evidence = Evidence.from_files(load_settings(inputs["config"][0]), files)
    page = render_report(evidence, calibration_date(evidence))
    write_file(outputs["report"], page)
    say(f"{outputs['report']}: {len(page.encode()) / 1e6:.1f} MB; open it in a browser")
    return Outcome()
