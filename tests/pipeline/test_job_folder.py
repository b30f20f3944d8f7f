"""Jobs find their files where Snakemake puts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import folder_of
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import from_snakemake_config


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compare"])
def test_a_jobs_paths_start_where_its_first_output_says(stage):
    experiment = "levers" if stage in ("levers", "rank") else "ci"
    overrides = "heal.steps=1" if stage == "heal" else ""
    job = next(jobs(from_snakemake_config({"experiment": experiment, "overrides": overrides}), stage))
    first = next(iter(job.outputs.values()))
    assert folder_of(job, str(first)) == Path()
    assert folder_of(job, f".snakemake/storage/s3/bucket/{first}") == Path(".snakemake/storage/s3/bucket")
    assert folder_of(job, f"/mnt/volume/{first}") == Path("/mnt/volume")
