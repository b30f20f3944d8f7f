"""What levers share, what they are compared with, and what each changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.pipeline.jobs import every_job, jobs, jobs_of
from cayley_adapters.pipeline.levers import arranged, cells_of, control_of_lever
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose
from cayley_adapters.settings.levers import LEVERS


@pytest.fixture(scope="module")
def small():
    [settings] = compose("levers", ["levers.size=small"])
    return settings


@pytest.fixture(scope="module")
def full():
    [settings] = compose("levers")
    return settings


def test_a_size_is_more_than_a_value(small, full):
    assert small.sweep.seed == (0,)
    assert full.sweep.seed == (0,)
    assert set(small.levers.names) < set(full.levers.names)
    assert set(full.levers.names) == set(LEVERS) - {"plain"}
    assert compose("levers", ["levers.size=small", "train.steps=7"])[0].train.steps == 7
    assert compose("levers", ["levers=small"]) == [small]
    assert compose()[0].levers.names == ()


def folders(settings, stage):
    """Lever and block dimension → the folder of what a stage makes for it."""
    [run] = variants([settings]).values()
    return {(arm.name, arm.block_dim): arm.variant.base(stage) for arm in run.arms}


def test_what_is_the_same_is_made_once(small):
    trained, synthesised = folders(small, "train"), folders(small, "transpile")
    for name in ("characterised", "readout_mitigation", "best_qubits", "fake_aachen"):
        assert trained[name, 8] == trained["plain", 8]
        assert synthesised[name, 8] == synthesised["plain", 8]
    assert trained["qiskit_synthesis", 8] == trained["plain", 8]
    assert synthesised["qiskit_synthesis", 8] != synthesised["plain", 8]
    assert trained["combined_characterised", 16] == trained["ranked_projections", 16] != trained["plain", 16]
    others = {name for name, d in trained if trained[name, d] == trained["noise_aware_training", 16]}
    assert others == {"noise_aware_training"}


def test_longer_circuits_are_made_from_the_exact_ones(small):
    [run] = variants([small]).values()
    [arm] = [arm for arm in run.arms if (arm.name, arm.block_dim) == ("qiskit_synthesis", 8)]
    [longer] = [job for job in jobs_of("transpile", arm.variant) if job.block_dim == 8]
    [exact] = [job for job in jobs_of("transpile", run) if job.block_dim == 8]
    assert longer.inputs["exact"] == [exact.outputs["angles"]]
    assert exact.inputs["exact"] == []


def test_all_projections_are_trained_once_for_lever_and_ranking(full):
    [run] = variants([full]).values()
    [rank] = jobs([full], "rank")
    [arm] = [arm for arm in run.arms if (arm.name, arm.block_dim) == ("all_projections", 4)]
    [trained] = jobs_of("train", arm.variant)
    assert rank.inputs["adapter"] == [trained.outputs["adapter"]]


def test_the_control_runs_the_same_circuits_on_the_same_device(small):
    assert control_of_lever(small, "noise_aware_training", 8) == "identity-plain"
    assert control_of_lever(small, "characterised", 8) == "identity-characterised"
    assert control_of_lever(small, "brickwork_2", 8) == "identity-brickwork_2"
    for name, d in {(name, d) for name, d, _ in cells_of(small) if not name.startswith("identity-")}:
        own, control = arranged(small, name, d), arranged(small, control_of_lever(small, name, d), d)
        assert control.train.steps == 0
        assert own.evaluate.readout == control.evaluate.readout
        assert own.noise == control.noise
        assert control.transpile.synthesis == own.transpile.synthesis.replace("noise_aware", "exact")


@pytest.mark.parametrize("size", ["small", "full", "goal"])
def test_every_job_finds_what_it_reads(size):
    settings = compose("levers", [f"levers.size={size}"])
    every = every_job(settings)
    made = [path for job in every for path in job.outputs.values()]
    assert len(set(made)) == len(made)
    for job in every:
        assert not [path for paths in job.inputs.values() for path in paths if path not in set(made)], job.label
    assert Path("results/levers/levers.csv") in made


def test_larger_sizes_go_on_from_what_smaller_ones_have_measured(small, full):
    def specified(settings, *stages):
        return {job_to_json(job) for job in every_job([settings]) if job.stage in stages}

    made = ("teacher", "compress", "train", "transpile")
    assert specified(small, *made, "evaluate", "rank") < specified(full, *made, "evaluate", "rank")
    [goal] = compose("levers", ["levers.size=goal"])
    assert goal.sweep.seed == (0, 1, 2)
    assert specified(full, *made) & specified(goal, *made) >= {
        job_to_json(job) for stage in made for job in jobs([full], stage)
    } - {job_to_json(list(jobs([full], "train"))[-1])}


def test_no_brickwork_of_two_qubits_and_no_long_search(full):
    cells = {(name, d) for name, d, _ in cells_of(full)}
    assert ("brickwork_2", 4) not in cells
    assert ("noise_aware_synthesis", 16) not in cells
    assert arranged(full, "brickwork_equal_parameters", 16).train.brickwork_depth == 13


def test_steps_of_deep_brickworks_are_shorter(full):
    rates = {
        (name, d): arranged(full, name, d).train.learning_rate / full.train.learning_rate
        for name, d in (("brickwork_1", 8), ("brickwork_4", 16), ("brickwork_equal_gates", 16), ("plain", 16))
    }
    assert list(rates.values()) == pytest.approx([1, 1, 4 / 19, 1])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("levers.size=smal", "levers.size=smal: must be one of none, small, full, goal"),
        ("levers.names=[characterized]", "did you mean 'characterised'"),
        ("levers.budget=0", "levers.budget=0: must be a number above 0"),
        ("sweep.block_dim=2,4", "sweep.block_dim=2: levers are measured for 4, 8, 16"),
        ("sweep.compression_ratio=0.2,0.3", "levers are compared at one ratio"),
        ("sweep.noise_scale=0,1", "levers are compared at noise scale 1 and 2; add 2"),
        ("evaluate.executor=aer", "levers are changes of evaluate.executor=noisy"),
        ("evaluate.readout=ideal_sign", "levers are changes of evaluate.readout=sign_constrained"),
        ("train.ansatz=brickwork", "levers are changes of train.ansatz=full"),
        ("transpile.compared_blocks=0", "qiskit_synthesis counts the gates of such blocks; type 1 or more"),
    ],
)
def test_a_mistake_is_answered_at_once(override, message):
    with pytest.raises(CayleyError, match=message.replace("[", r"\[")):
        compose("levers", [override])


def test_what_contradicts_itself_is_answered_at_once():
    with pytest.raises(CayleyError, match=r"levers=small levers.size=full: these differ; give one of them"):
        compose("levers", ["levers=small", "levers.size=full"])
    with pytest.raises(CayleyError, match=r"levers.names=brickwork_1: is measured for block dimension 8, 16"):
        compose("levers", ["sweep.block_dim=4", "levers.names=[brickwork_1]"])
    found = compose("levers", ["noise.layout=[3,16,23,24]", "levers.names=[characterised,fake_marrakesh]"])
    with pytest.raises(CayleyError, match=r"levers.names=fake_marrakesh: noise.layout=.*no usable coupler"):
        require_feasible(found)


def test_further_levers_leave_files_where_they_are():
    def made(*names):
        found = every_job(compose("levers", [f"levers.names=[{','.join(names)}]"]))
        kept = [job for job in found if job.stage in ("train", "transpile", "evaluate")]
        return {path for job in kept for path in job.outputs.values()}

    few = made("combined_characterised", "qiskit_synthesis")
    assert few < made("ranked_projections", "combined_characterised", "qiskit_synthesis", "characterised")


def test_the_control_of_a_synthesis_that_leaves_out_gates_has_them(small):
    assert control_of_lever(small, "noise_aware_synthesis", 8) == "identity-plain"
    assert control_of_lever(small, "qiskit_synthesis", 8) == "identity-qiskit_synthesis"
