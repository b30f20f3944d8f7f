"""What a job is predicted to take: near what an exact count of its work gave, and as configurations order it."""

from __future__ import annotations

import cProfile
import csv
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from cayley_adapters.models.shapes import model_shape
from cayley_adapters.pipeline.costs import job_cost, planned_jobs, prediction, simulate, summary
from cayley_adapters.pipeline.costs.prediction import UNKNOWN, coefficients, cost_of, model_sizes, shape_of
from cayley_adapters.pipeline.costs.table import COSTS
from cayley_adapters.pipeline.jobs import jobs, jobs_of
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose


@pytest.fixture(autouse=True)
def counted_speeds(monkeypatch):
    """The machine that the figures are of, whatever this one was measured at."""
    monkeypatch.setattr(prediction, "speeds", lambda: (coefficients()["speeds"], True))


COUNTED = {
    "quickstart": {"sweep.compression_ratio": "0.2,0.3", "evaluate.uncompressed_noise": "true"},
    "full_map": {"sweep.compression_ratio": "0.2,0.3", "sweep.seed": "0", "evaluate.windows": "9"},
    "paper_llama31_8b": {"train.targets": "[q_proj]", "train.layers": "[15]"},
}
"""What presets had when their work was counted, where they have something else by now."""


def measured_with(experiment, overrides):
    return [f"{key}={value}" for key, value in COUNTED.get(experiment, {}).items() if key not in overrides]


def predicted(stage, *overrides, experiment="quickstart"):
    [settings] = compose(experiment, [*measured_with(experiment, " ".join(overrides)), *overrides])
    return job_cost(next(jobs([settings], stage)), settings)


def size_of(stage, *overrides, d):
    [settings] = compose("quickstart", overrides)
    return cost_of(stage)[1].size(model_sizes(settings, {"ratio": "ratio0.2", "block": f"d{d}", "seed": "seed0"}))


PRESETS = ("quickstart", "ci", "full_map", "levers", "recovery_small", "paper_smollm2", "paper_llama31_8b")
REFERENCE = list(csv.DictReader(Path(__file__).with_name("costs_reference.csv").read_text().splitlines()))
"""What every operation of a job came to, counted one by one and with figures fitted to jobs that were run."""


@cache
def jobs_named(configuration):
    """Stage and cell → a job and what it runs with; the cells of levers, and a processor's, have their names before."""
    experiment, _, overrides = configuration.partition(" ")
    settings = compose(experiment, [*measured_with(experiment, overrides), *shlex.split(overrides)])
    [run] = variants(settings).values()
    named = {"": run, "qpu ": run.device} | {f"{arm.name} {arm.block_dim}": arm.variant for arm in run.arms}
    found = {}
    for name, variant in named.items():
        for stage in STAGES:
            if stage != "compare" and (variant is run or stage in ("train", "transpile", "evaluate")):
                for job in jobs_of(stage, variant):
                    start = name if variant is run else name.split()[0] + " "
                    found[stage, f"{start}{' '.join(job.cell.values())}".strip()] = job, variant.settings
    return found


@pytest.mark.parametrize("stage", sorted({row["stage"] for row in REFERENCE}))
def test_costs_are_within_a_factor_of_two_of_counted_work(stage):
    rows = [row for row in REFERENCE if row["stage"] == stage]
    for row in rows:
        cost = job_cost(*jobs_named(row["configuration"])[stage, row["cell"]])
        assert 1 / 2 < cost.cpu_seconds / float(row["cpu_seconds"]) < 2, row
        # A job above the memory that it asked a cluster for is killed.
        assert 1 / 1.2 < cost.memory_mb / float(row["memory_mb"]) < 1.5, row
        if row["disk_mb"]:
            assert cost.disk_mb == pytest.approx(float(row["disk_mb"]), rel=0.1, abs=0.3), row


def test_the_reference_has_all_presets_and_large_models():
    assert len(REFERENCE) > 250
    assert {row["configuration"].split()[0] for row in REFERENCE} >= set(PRESETS)
    assert max(float(row["cpu_seconds"]) for row in REFERENCE) > 1e5
    assert max(float(row["memory_mb"]) for row in REFERENCE) > 30_000


def test_importing_it_loads_nothing_heavy():
    heavy = "('torch', 'numba', 'qiskit', 'pandas')"
    code = f"import cayley_adapters.pipeline.costs, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_thousandth_prediction_takes_no_more_than_the_first():
    """In calls of Python's functions, which are few enough for thousands of jobs (benchmarks/bench_waiting.py)."""
    every = jobs_named("quickstart sweep.seed=range(0,30)").values()
    settings, chosen = (
        next(iter(every))[1],
        [job for job, _ in every if job.stage in ("train", "evaluate", "transpile", "control")],
    )
    assert len(chosen) >= 500
    counts = []
    for job in chosen:
        profile = cProfile.Profile(builtins=False)
        profile.runcall(job_cost, job, settings)
        counts.append(sum(entry.callcount for entry in profile.getstats()))
    assert max(counts[len(counts) // 2 :]) < 1000


@pytest.mark.parametrize("experiment", PRESETS)
def test_every_job_of_every_experiment_takes_something(experiment):
    every = jobs_named(experiment)
    assert {stage for stage, _ in every} >= {"prepare", "compress", "train", "evaluate", "report", "qpu_plan"}
    for job, settings in every.values():
        cost = job_cost(job, settings)
        assert 0 < cost.seconds <= cost.cpu_seconds * 1.001
        assert cost.memory_mb > 20
        assert cost.disk_mb >= 0


def test_training_takes_time_in_proportion_to_its_steps():
    quiet = ("train.validation_windows=1", "train.validate_every=10000")
    a, b, c = (predicted("train", *quiet, f"train.steps={n}").seconds for n in (1000, 2000, 3000))
    assert c - b == pytest.approx(b - a)
    assert b / a == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("train", "train.batch_windows=2"),
        ("train", "train.targets=[q_proj,k_proj,v_proj,o_proj]"),
        ("train", "train.validate_every=5"),
        ("teacher", "train.steps=200"),
        ("compress", "data.calibration_windows=192"),
        ("compress", "compress.targets=[q_proj,o_proj,gate_proj,up_proj,down_proj]"),
        ("evaluate", "evaluate.windows=36"),
        ("evaluate", "sweep.noise_scale=0,0.1,0.2,0.3,0.5,1,3,10"),
        ("evaluate", "evaluate.shots=[8192,inf]"),
        ("evaluate", "evaluate.refine=3"),
        ("evaluate", "evaluate.executor=aer"),
        ("transpile", "transpile.synthesis=noise_aware"),
        ("transpile", "train.targets=[q_proj,k_proj,v_proj,o_proj]"),
        ("baseline", "evaluate.windows=36"),
        ("answer_questions", "questions.limit=2000"),
    ],
)
def test_more_work_takes_longer(stage, more):
    assert predicted(stage, more).seconds > 1.0005 * predicted(stage).seconds


def test_less_of_the_model_runs_where_only_upper_layers_are_adapted():
    upper = ("train.layers=[29]", "sweep.block_dim=4,2", "train.steps=300", "train.validate_every=20")
    whole, part, shared = (
        predicted("train", "train.steps=300", "train.validate_every=20"),
        predicted("train", *upper),
        predicted("train", *upper, "sweep.seed=1"),
    )
    assert part.seconds < 0.6 * whole.seconds
    [settings] = compose("quickstart", upper)
    first, second = (job_cost(job, settings) for job in list(jobs([settings], "train"))[:2])
    assert first.seconds > second.seconds  # the layers below run once a compressed model
    assert shared.seconds == pytest.approx(part.seconds)


def test_sizes_grow_with_the_block_dimension_as_the_algorithms_do():
    per_block = [size_of("transpile", d=d) * d for d in (2, 4, 8, 16)]
    assert per_block == sorted(per_block)
    assert per_block[3] > 100 * per_block[2]
    exact = ("sweep.noise_scale=0", "transpile.synthesis=none", "evaluate.shots=[inf]")
    a, b, c = (size_of("evaluate", *exact, d=d) for d in (8, 16, 24))
    assert c - b == pytest.approx(b - a)
    assert size_of("transpile", "transpile.synthesis=none", "sweep.noise_scale=0", d=4) == 0


def test_a_larger_model_takes_more_of_everything():
    sizes = [
        [predicted(stage, f"model={name}") for stage in ("compress", "train", "evaluate", "baseline")]
        for name in ("tiny_random", "smollm2_135m", "smollm2_1b7")
    ]
    for smaller, larger in pairwise(sizes):
        for a, b in zip(smaller, larger, strict=True):
            assert a.seconds < b.seconds
            assert a.memory_mb < b.memory_mb
            assert a.disk_mb <= b.disk_mb


def test_numbers_of_a_model_are_those_of_its_shape():
    [settings] = compose("quickstart", ["model=llama31_8b"])
    whole, part = model_sizes(settings), model_sizes(settings, {"ratio": "ratio0.25"})
    assert whole.stored == pytest.approx(model_shape(settings.leaf("model")).parameters, rel=1e-4)
    mlp = 3 * 4096 * 14336 * 32
    assert whole.stored - part.stored == pytest.approx(mlp / 4)


def test_threads_divide_arithmetic_and_not_imports():
    one, two = (predicted("train", f"train.threads={n}", "train.steps=1000") for n in (1, 2))
    assert one.cpu_seconds == two.cpu_seconds
    assert 1.8 < one.seconds / two.seconds < 2


def test_an_unknown_model_is_taken_for_a_middling_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    [settings] = compose("quickstart", ["model=hub", "model.id=nobody/never-fetched", f"model.revision={'0' * 40}"])
    assert shape_of(settings) is None
    assert model_sizes(settings).shape == UNKNOWN


def test_each_line_is_a_stages_and_has_its_figures():
    known = coefficients()
    assert set(COSTS) <= set(STAGES)
    assert set(COSTS) <= set(known["stages"])
    assert set(known["stages"]) <= {*STAGES, "other"}
    for stage in STAGES:
        basis, cost = cost_of(stage)
        assert cost is COSTS.get(basis, cost)
        assert COSTS.get(stage, cost) is cost


def test_a_stage_without_a_line_has_a_start():
    basis, cost = cost_of("a_new_stage")
    assert (basis, cost.size(model_sizes(compose("ci")[0]))) == ("a_new_stage", 0)
    assert prediction.figures(basis) == coefficients()["stages"]["other"]


def test_jobs_side_by_side_are_bounded_by_cores_and_by_the_longest_chain():
    settings = compose("quickstart", [])
    plan = planned_jobs(settings, done=True)
    one, two, many = (simulate(plan, cores) for cores in (1, 2, 1000))
    alone = sum(item.cost.seconds for item in plan)
    assert one.seconds > alone
    assert one.seconds / 2 < two.seconds < one.seconds
    assert many.critical_seconds <= many.seconds <= many.critical_seconds + coefficients()["starting"] + 1e-6
    assert one.memory_mb == max(item.cost.memory_mb for item in plan) < two.memory_mb < many.memory_mb


def test_a_job_starts_after_those_that_it_needs():
    settings = compose("ci", [])
    plan = planned_jobs(settings, "report", done=True)
    stages = [item.job.stage for item in plan]
    for index, item in enumerate(plan):
        assert all(earlier < index for earlier in item.after)
        made = {path for earlier in item.after for path in plan[earlier].job.outputs.values()}
        wanted = {path for paths in item.job.inputs.values() for path in paths}
        assert made & wanted or not item.after
    assert {"evaluate", "questions", "entanglement", "report"} <= set(stages)
    assert "qpu_plan" not in stages


def test_a_summary_adds_up():
    settings = compose("ci", [])
    found = summary(planned_jobs(settings, done=True), 2)
    assert found["jobs"] == sum(row["jobs"] for row in found["stages"]) == 27
    assert found["cpu_seconds"] == pytest.approx(sum(row["cpu_seconds"] for row in found["stages"]), abs=2)
    assert found["seconds_low"] < found["seconds"] < found["seconds_high"]
    assert summary([], 2)["seconds"] == 0
