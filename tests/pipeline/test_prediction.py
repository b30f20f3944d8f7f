"""What a job is predicted to take: identities that hold for any figures, and its cost in time."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest

from cayley_adapters.models.shapes import model_shape
from cayley_adapters.pipeline.costs import job_cost, planned_jobs, simulate, summary
from cayley_adapters.pipeline.costs.prediction import UNKNOWN, coefficients, kind_of, model_of, shape_of, speeds
from cayley_adapters.pipeline.costs.sizes import Cell, Model
from cayley_adapters.pipeline.costs.work import stage_work
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import compose


def cost_of(stage, *overrides, experiment="quickstart"):
    [settings] = compose(experiment, overrides)
    return job_cost(next(jobs([settings], stage)), settings)


def work_of(stage, *overrides, **cell):
    [settings] = compose("quickstart", overrides)
    return stage_work(stage, model_of(settings), Cell(**{"ratio": 0.2, **cell}))


def test_importing_it_loads_nothing_heavy():
    heavy = "('torch', 'numba', 'qiskit', 'pandas')"
    code = f"import cayley_adapters.pipeline.costs, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_thousand_predictions_take_less_than_a_second():
    [settings] = compose("quickstart", ["sweep.seed=range(0,60)"])
    every = [job for stage in ("train", "evaluate", "transpile", "control") for job in jobs([settings], stage)]
    start = time.process_time()
    for job in every[:1000] * 2:
        job_cost(job, settings)
    assert len(every) >= 1000
    assert time.process_time() - start < 1


@pytest.mark.parametrize("experiment", ["quickstart", "ci", "recovery_small", "paper_smollm2", "paper_llama31_8b"])
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "compare_models"])
def test_every_stage_of_every_experiment_takes_something(experiment, stage):
    settings = compose(experiment, [])
    for job in jobs(settings, stage):
        cost = job_cost(job, settings[0])
        assert 0 < cost.seconds <= cost.cpu_seconds * 1.001
        assert cost.memory_mb > 20
        assert cost.disk_mb >= 0


def test_training_takes_time_in_proportion_to_its_steps():
    quiet = ("train.validation_windows=1", "train.validate_every=10000")
    a, b, c = (cost_of("train", *quiet, f"train.steps={n}").seconds for n in (1000, 2000, 3000))
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
    assert cost_of(stage, more).seconds > 1.0005 * cost_of(stage).seconds


def test_less_of_the_model_runs_where_only_upper_layers_are_adapted():
    upper = ("train.layers=[29]", "sweep.block_dim=4,2", "train.steps=300")
    whole, part, shared = (
        cost_of("train", "train.steps=300"),
        cost_of("train", *upper),
        cost_of("train", *upper, "sweep.seed=1"),
    )
    assert part.seconds < 0.6 * whole.seconds
    [settings] = compose("quickstart", upper)
    first, second = (job_cost(job, settings) for job in list(jobs([settings], "train"))[:2])
    assert first.seconds > second.seconds  # the layers below run once a compressed model
    assert shared.seconds == pytest.approx(part.seconds)


def test_work_scales_with_the_block_dimension_as_the_algorithms_do():
    by_d = {d: work_of("transpile", block_dim=d) for d in (2, 4, 8)}
    assert [by_d[d][f"synthesised{n}"] for n, d in ((1, 2), (2, 4), (3, 8))] == [17280, 8640, 4320]
    assert work_of("evaluate", block_dim=4)["slices2"] > work_of("evaluate", block_dim=8)["slices3"]
    exact = ("sweep.noise_scale=0", "transpile.synthesis=none", "evaluate.shots=[inf]")
    small, large = (work_of("evaluate", *exact, block_dim=d)["contracted"] for d in (4, 16))
    assert large == pytest.approx(4 * small)
    assert "slices2" not in work_of("evaluate", *exact, block_dim=4)


def test_circuits_of_one_qubit_have_no_coupler_to_evaluate_alone():
    budget = {d: work_of("evaluate", "evaluate.noise_budget_windows=9", block_dim=d) for d in (2, 4)}
    without = {d: work_of("evaluate", "evaluate.noise_budget_windows=0", block_dim=d) for d in (2, 4)}
    blocks = {2: 17280, 4: 8640}
    arms = {d: (budget[d][f"compiled{n}"] - without[d][f"compiled{n}"]) / blocks[d] for n, d in ((1, 2), (2, 4))}
    assert arms == pytest.approx({2: 2, 4: 3})  # rotations and readout, and couplers


def test_a_larger_model_takes_more_of_everything():
    sizes = [
        [cost_of(stage, f"model={name}") for stage in ("compress", "train", "evaluate", "baseline")]
        for name in ("tiny_random", "smollm2_135m", "smollm2_1b7")
    ]
    for smaller, larger in pairwise(sizes):
        for a, b in zip(smaller, larger, strict=True):
            assert a.seconds < b.seconds
            assert a.memory_mb < b.memory_mb
            assert a.disk_mb <= b.disk_mb


def test_numbers_of_a_model_are_those_of_its_shape():
    [settings] = compose("quickstart", ["model=llama31_8b"])
    model = model_of(settings)
    assert model.parameters() == model_shape(settings.leaf("model")).parameters
    mlp = 3 * 4096 * 14336 * 32
    assert model.parameters() - model.parameters(0.25) == pytest.approx(mlp / 4)


def test_threads_divide_arithmetic_and_not_imports():
    one, two = (cost_of("train", f"train.threads={n}", "train.steps=1000") for n in (1, 2))
    assert one.cpu_seconds == two.cpu_seconds
    assert 1.8 < one.seconds / two.seconds < 2


def test_an_unknown_model_is_taken_for_a_middling_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    [settings] = compose("quickstart", ["model=hub", "model.id=nobody/never-fetched", f"model.revision={'0' * 40}"])
    assert shape_of(settings) is None
    assert model_of(settings).shape == UNKNOWN


def test_each_unit_has_a_figure_and_a_measured_kind():
    known, units = coefficients(), set()
    for experiment in ("quickstart", "ci", "recovery_small", "paper_llama31_8b"):
        settings = compose(experiment, [])
        for stage in STAGES:
            if stage != "compare_models":
                model = Model(UNKNOWN, settings[0])
                units |= {
                    unit
                    for job in jobs(settings, stage)
                    for unit in stage_work(stage, model, Cell.of(job.cell, settings[0]))
                }
    assert units <= set(known["seconds"])
    assert {kind_of(unit) for unit in units} <= set(known["speeds"]) == set(speeds()[0])


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
    assert found["jobs"] == sum(row["jobs"] for row in found["stages"]) == 25
    assert found["cpu_seconds"] == pytest.approx(sum(row["cpu_seconds"] for row in found["stages"]), abs=2)
    assert found["seconds_low"] < found["seconds"] < found["seconds_high"]
    assert summary([], 2)["seconds"] == 0
