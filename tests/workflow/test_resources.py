"""What rules ask of a machine or cluster, as dry runs list it."""

from __future__ import annotations

import re

import pytest
import yaml
from project_copy import ROOT, Project

from cayley_adapters.pipeline.table import STAGES

MODEL_RULES = ("teacher", "compress", "reference", "baseline", "train", "control", "evaluate_control", "evaluate")
SLURM = ("--workflow-profile", "profiles/slurm")


def asked(project: Project, *arguments: str, overrides: str = "", target: str = "phase_diagram") -> dict[str, dict]:
    """The resources of each rule, by their names."""
    config = ["experiment=ci", *([f"overrides={overrides}"] if overrides else [])]
    done = project.snakemake("--dry-run", target, *arguments, "--config", *config)
    assert "threads:" not in done.stdout, "what Snakemake takes for threads reaches the jobs' BLAS"
    found = re.findall(r"^ *(?:local)?rule (\w+):\n(?:.*\n)*? *resources: (.*)$", done.stdout, re.M)
    rows = {rule: dict(entry.split("=", 1) for entry in text.split(", ")) for rule, text in found}
    return {rule: {key: int(v) for key, v in row.items() if v.isdecimal()} for rule, row in rows.items()}


def test_memory_and_time_follow_the_model(fresh):
    small, large = asked(fresh, *SLURM), asked(fresh, *SLURM, overrides="model=llama31_8b")
    for rule in MODEL_RULES:
        assert small[rule]["mem_mb"] < 5_000, rule
        # Compression holds one layer at a time.
        assert large[rule]["mem_mb"] > (6_000 if rule == "compress" else 15_000), rule
    for rule in ("compress", "train", "evaluate"):
        assert large[rule]["runtime"] > small[rule]["runtime"], rule
    for rule in ("aggregate", "draw"):
        assert large[rule] == small[rule]


def test_a_second_attempt_asks_for_twice_as_much(fresh):
    first, second = asked(fresh), asked(fresh, "--attempt", "2")
    for rule in set(first) - {"phase_diagram"}:
        assert second[rule]["mem_mb"] == 2 * first[rule]["mem_mb"], rule
        assert second[rule]["runtime"] == 2 * first[rule]["runtime"], rule
        assert second[rule]["cpus_per_task"] == first[rule]["cpus_per_task"], rule


def test_cores_are_the_configured_threads(fresh):
    # Without profiles/default, since that shows no more machine_cores than this machine has.
    resources = asked(fresh, *SLURM, overrides="train.threads=2 evaluate.threads=3")
    for rule, cores in {"train": 2, "teacher": 2, "evaluate": 3, "reference": 3, "transpile": 1, "draw": 1}.items():
        assert resources[rule]["cpus_per_task"] == resources[rule]["machine_cores"] == cores, rule


def test_a_gpu_is_asked_for_where_it_is_configured(fresh):
    assert all(row.get("gpu", 0) == 0 for row in asked(fresh).values())
    resources = asked(fresh, "--set-resources", "train:gpu=1")
    assert [rule for rule, row in resources.items() if row.get("gpu")] == ["train"]


@pytest.mark.parametrize("target", ["report", "qpu", "dashboard"])
def test_every_job_says_what_it_needs(fresh, target):
    overrides = "model=smollm2_135m,smollm2_360m" if target == "report" else ""
    for rule, row in asked(fresh, *SLURM, target=target, overrides=overrides).items():
        if rule != target:
            assert {"mem_mb", "runtime", "cpus_per_task", "machine_cores"} <= set(row), rule


@pytest.mark.parametrize("name", ["slurm", "cloud"])
def test_small_jobs_are_grouped_on_a_cluster_only(fresh, name):
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    assert set(profile["groups"]) <= {stage.rule_name for stage in STAGES.values()}
    grouped = "Group job circuits (jobs in lexicogr. order):"
    assert (
        grouped
        in fresh.snakemake("--dry-run", "--workflow-profile", f"profiles/{name}", "--config", "experiment=ci").stdout
    )
    assert "Group job" not in fresh.snakemake("--dry-run", "--config", "experiment=ci").stdout


def test_limits_of_this_machine_do_not_bound_a_cluster(fresh):
    """Snakemake loads profiles/default beside ``--profile``."""
    done = fresh.snakemake("--profile", "profiles/slurm", "--config", "experiment=ci", check=False)
    assert done.returncode != 0
    assert "type --workflow-profile profiles/slurm" in done.stdout + done.stderr
    assert not (fresh.folder / "results" / "ci" / "config.yaml").exists()
