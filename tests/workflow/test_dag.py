"""Which jobs a change runs again: what the dry run lists, with everything built."""

from __future__ import annotations

import shutil

import pytest

EVALUATIONS = ("evaluate", "evaluate_identity")
TABLES_AND_PICTURES = ("aggregate", "draw", "scaling", "recovery")


def test_nothing_to_do_when_built(built):
    assert built.planned() == {}


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (
            "evaluate.windows=3",
            {*EVALUATIONS, "reference", "baseline", "evaluate_control", *TABLES_AND_PICTURES, "configure"},
        ),
        (
            "train.steps=4",
            {
                *("teacher", "train", "control", "transpile", "compare_circuits", "evaluate", "evaluate_control"),
                *TABLES_AND_PICTURES,
                "configure",
            },
        ),
        ("control.lora_learning_rate=0.1", {"control", "evaluate_control", *TABLES_AND_PICTURES, "configure"}),
        ("sweep.noise_scale=0,0.5,1", {*EVALUATIONS, *TABLES_AND_PICTURES, "configure"}),
        ("noise=fake_kingston", {"compare_circuits", *EVALUATIONS, *TABLES_AND_PICTURES, "configure"}),
        ("transpile.compared_blocks=1", {"compare_circuits", "configure"}),
        (
            "transpile.synthesis=noise_aware",
            {"transpile", "compare_circuits", *EVALUATIONS, *TABLES_AND_PICTURES, "configure"},
        ),
        ("track.mode=disabled", {"configure"}),
    ],
)
def test_a_change_runs_the_rules_that_read_it(built, overrides, jobs):
    assert set(built.planned(overrides)) == jobs


def test_a_further_block_dimension_trains_only_that(built):
    planned = built.planned("sweep.block_dim=2,4,8")
    assert planned["train"] == planned["transpile"] == planned["evaluate"] == 1
    assert "compress" not in planned


def test_a_further_control_trains_only_that(built):
    planned = built.planned("control.block_dims=[2,4]")
    assert planned["control"] == planned["evaluate_control"] == 3  # LoRA, OFT and BOFT; IA3 has one size
    assert "train" not in planned
    planned = built.planned("control=none")
    assert set(planned) == {*TABLES_AND_PICTURES, "configure"}


def test_a_further_ratio_compresses_only_that(built):
    planned = built.planned("sweep.compression_ratio=0.3,0.4")
    assert planned["compress"] == 1
    assert planned["train"] == 2
    assert "teacher" not in planned


def test_an_edit_of_the_library_runs_the_jobs_that_it_touches(built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "p", symlinks=True)
    project = type(built)(tmp_path / "p")
    kernel = project.folder / "src/cayley_adapters/kernels/pauli.py"
    text = kernel.read_text()
    assert text.count("v[i, t] *= factor") == 1
    kernel.write_text(text.replace("v[i, t] *= factor", "v[i, t] += factor"))
    assert set(project.planned()) == {*EVALUATIONS, *TABLES_AND_PICTURES}


def test_the_report_runs_again_for_what_it_shows(built):
    assert built.planned(target="report") == {}
    assert built.planned("track.mode=disabled", target="report") == {"configure": 1, "write_report": 1}
    planned = built.planned("transpile.compared_blocks=1", target="report")
    assert set(planned) == {"configure", "compare_circuits", "write_report"}


def test_an_edit_of_the_page_writes_it_again(built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "p", symlinks=True)
    project = type(built)(tmp_path / "p")
    with (project.folder / "src/cayley_adapters/report/page/report.css").open("a") as file:
        file.write("p { color: black }\n")
    assert project.planned() == {}
    assert project.planned(target="report") == {"write_report": 1}


def test_questions_run_one_cell_and_nothing_of_the_map(fresh):
    planned = fresh.planned("sweep.block_dim=2,4,8 sweep.compression_ratio=0.2,0.3", target="questions")
    once = ("configure", "prepare", "teacher", "compress", "train", "control", "transpile")
    assert planned == dict.fromkeys([*once, "question_set", "answer_questions", "compare_answers"], 1)
    assert "control" not in fresh.planned("control=none", target="questions")


def test_levers_share_what_is_the_same(fresh):
    names = "levers.names=[characterised,brickwork_1,ranked_projections]"
    planned = fresh.planned(f"levers.size=small {names}", "levers", "levers")
    # Brickworks of three and four qubits, ranked blocks of two to four, and the identity of each, and of the map's own.
    blocks = 3 + 2 * (2 + 3) + 3
    assert planned["train"] == blocks + 1  # on all projections, by which these are ranked
    assert planned["transpile"] == blocks
    assert planned["evaluate"] == 3 + 3 + 2 + 3 + (3 + 3 + 2 + 3)
    assert planned["rank"] == planned["compare_levers"] == 1


def test_levers_that_are_not_asked_for_are_named(fresh):
    done = fresh.snakemake("--dry-run", "levers", "--config", "experiment=ci", check=False)
    assert done.returncode
    assert "type experiment=levers" in done.stdout + done.stderr
    assert "rank" not in fresh.planned()


def test_a_dry_run_writes_nothing(fresh):
    fresh.planned()
    assert not (fresh.folder / "results").exists()


def test_entanglement_needs_trained_blocks_and_no_evaluation(built, fresh):
    planned = fresh.planned(target="entanglement")
    assert set(planned) == {"prepare", "teacher", "compress", "train", "entanglement_spectra"}
    assert built.planned(target="entanglement") == {}  # the report has asked for it
    assert fresh.planned("model=smollm2_135m,llama31_8b", "quickstart", "entanglement")["entanglement_spectra"] == 2


def test_two_models_are_planned_side_by_side(fresh):
    planned = fresh.planned("model=smollm2_135m,llama31_8b", experiment="quickstart")
    assert planned["prepare"] == 2
    assert planned["train"] == 12
    assert planned["compare"] == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (["overrides=train.stpes=3"], "train.steps"),
        (["overrides=sweep.block_dim=3"], "sweep.block_dim"),
        (["experiment=quikstart"], "quickstart"),
        (["experment=ci"], "experiment"),
        (["overrides=train.steps=0.5"], "train.steps"),
        (["overrides=sweep.noise_scale=interval(0,1)"], "interval"),
    ],
)
def test_mistakes_are_answered_before_any_job(fresh, config, message):
    done = fresh.snakemake("phase_diagram", "--config", *config, check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Building DAG" not in done.stdout + done.stderr
    assert not (fresh.folder / "results").exists()
