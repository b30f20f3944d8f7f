"""What single steps make lies once, for all runs that need it, and results folders link to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from safety import SAFETY
from typer.testing import CliRunner

from cayley_adapters.cli import _add_all, app
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline import store
from cayley_adapters.pipeline.contents import contents, contents_table, remove
from cayley_adapters.pipeline.costs.plan import planned_jobs
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.provenance import write_provenance
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.pipeline.store import USED, links_of, place_links, taken
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folders(*overrides, experiment="ci"):
    """Stage → the folder of what it makes."""
    [variant] = variants(compose(experiment, overrides)).values()
    stages = ("prepare", "teacher", "compress", "train", "transpile", "evaluate", "baseline", "reference")
    return {stage: variant.base(stage) for stage in stages}


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        (["run=other"], set()),
        (["track.mode=disabled"], set()),
        (["sweep.seed=1,2", "sweep.block_dim=8"], set()),
        (["sweep.noise_scale=0,0.5,1"], {"evaluate"}),
        (["noise=fake_boston"], {"evaluate"}),
        (["evaluate.windows=3"], {"evaluate", "baseline", "reference"}),
        (["transpile.synthesis=noise_aware"], {"transpile", "evaluate"}),
        (["train.steps=9"], {"teacher", "train", "transpile", "evaluate"}),
        (["train.noise_scale=1"], {"train", "transpile", "evaluate"}),
        (["compress=svd"], {"compress", "train", "transpile", "evaluate", "baseline"}),
    ],
)
def test_a_folder_is_named_by_what_its_step_reads(overrides, changed):
    before, after = folders(), folders(*overrides)
    assert {stage for stage in before if before[stage] != after[stage]} == changed


def test_the_text_is_below_everything():
    before, after = folders(), folders("data.window=24")
    assert not set(before.values()) & set(after.values())


def test_names_do_not_depend_on_where_the_store_is():
    before, after = folders(), folders("store=/shared/store")
    assert {path.removeprefix("results/store") for path in before.values()} == {
        path.removeprefix("/shared/store") for path in after.values()
    }


def test_a_job_of_thousands_of_cells_fits_into_a_command():
    settings = compose("quickstart", ["sweep.seed=range(0,400)", "sweep.compression_ratio=0.1,0.2,0.3,0.4"])
    [job] = jobs(settings, "aggregate")
    assert len(job.inputs["cells"]) > 4000
    assert len(job_to_json(job)) < 128 * 1024  # the most that Linux takes as one argument


def test_variants_share_what_is_the_same():
    settings = compose("ci", ["noise=fake_fez,fake_boston"])
    counts = Counter(item.job.stage for item in planned_jobs(settings, "qpu", done=True))
    assert (counts["prepare"], counts["compress"], counts["train"]) == (1, 1, 3)  # with that for the processor
    assert (counts["evaluate"], counts["aggregate"]) == (4, 2)


@pytest.fixture
def prepared(here):
    """A store with one thing in it, a run that links to it, and the job that made it."""
    settings = compose("ci", ["run=mine", "track.mode=disabled"])
    [job] = jobs(settings, "prepare")
    place_links(variants(settings).values(), lambda one: one.stage == "prepare")
    run_job(job)
    return job


def test_a_run_links_to_what_it_rests_on(prepared, here):
    place = here / "results/mine/prepared"
    assert place.is_symlink()
    assert not Path(os.readlink(place)).is_absolute()  # so that all results can be moved
    assert {path.name for path in place.iterdir()} == {path.name for path in prepared.outputs["model"].parent.iterdir()}
    assert json.loads((here / "results/mine" / USED).read_text()) == {f"{prepared.base}/prepare": ""}
    shutil.move(here / "results", here / "moved")
    assert (here / "moved/mine/prepared/model.json").exists()
    assert (here / "moved/mine/provenance/prepare.json").exists()


def test_what_is_there_is_not_made_again_unless_it_differs(prepared, monkeypatch, capsys):
    run_job(prepared)
    assert "made already" in capsys.readouterr().err
    monkeypatch.setenv(store.FORCE, "1")
    with taken(prepared) as made:
        assert not made
    monkeypatch.delenv(store.FORCE)
    prepared.outputs["model"].write_text("{}")
    with taken(prepared) as made:
        assert not made
    write_provenance(prepared)  # which says that this is what was written
    with taken(prepared) as made:
        assert made


def test_a_job_waits_for_another_run_that_makes_the_same(prepared, here, capfd):
    lines = "import sys; from cayley_adapters.pipeline.run import job_from_json\n"
    lines += "from cayley_adapters.pipeline.locks import hold_alone\n"
    lines += "with hold_alone(job_from_json(sys.argv[1])): print('held', flush=True); sys.stdin.readline()\n"
    command = [sys.executable, "-c", lines, job_to_json(prepared)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        first = str(prepared.outputs["model"])
        command = [sys.executable, "-m", "cayley_adapters.pipeline.run", job_to_json(prepared), first]
        waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert f"prepare: waits for another run that makes it (job, process {holder.pid}" in waiting.stderr.readline()
        assert waiting.poll() is None
        holder.communicate("\n", timeout=SAFETY)
        assert "made already" in waiting.communicate(timeout=SAFETY)[1]
        assert waiting.returncode == 0
    finally:
        holder.kill()


def test_a_file_system_without_links_gets_copies(prepared, here, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    found = variants(compose("ci", ["run=copied"]))
    place_links(found.values(), lambda one: one.stage == "prepare")
    copy = here / "results/copied/prepared"
    assert not copy.is_symlink()
    assert (copy / "model.json").read_bytes() == prepared.outputs["model"].read_bytes()
    place_links(found.values(), lambda one: one.stage == "prepare")


def test_older_results_are_in_the_way_of_links(here):
    (here / "results/ci/prepared").mkdir(parents=True)
    with pytest.raises(CayleyError, match=r"results/ci/prepared is in the way .* run=NAME, or .* replace"):
        place_links(variants(compose("ci")).values(), lambda one: True)


def test_links_tell_levers_and_the_processors_adapter_apart():
    [variant] = variants(compose("levers", ["levers.names=[characterised,brickwork_2]"])).values()
    places = {str(folder / next(iter(job.outputs.values())).relative_to(job.base)) for folder, job in links_of(variant)}
    cell = "ratio0.2/d8/seed0"
    assert f"results/levers/levers/brickwork_2/adapters/{cell}/adapter_model.safetensors" in places
    assert f"results/levers/levers/characterised/evaluations/{cell}/cells.csv" in places
    assert "results/levers/qpu/adapters/ratio0.2/d4/seed0/adapter_model.safetensors" in places


def test_the_store_says_who_uses_what_and_lets_go_of_the_rest(prepared, here):
    [entry] = contents(here / "results/store")
    assert (entry.stage, entry.cell, entry.users) == ("prepare", "", ("mine",))
    assert entry.bytes == sum(path.stat().st_size for path in prepared.outputs["model"].parent.iterdir())
    assert "mine" in contents_table([entry])
    _add_all()
    done = CliRunner().invoke(app, ["store", "prune", "--yes"])
    assert "0 entries" in done.output
    shutil.rmtree(here / "results/mine")
    done = CliRunner().invoke(app, ["store"])
    assert "nothing" in done.output
    done = CliRunner().invoke(app, ["store", "prune"], input="n\n")
    assert prepared.outputs["model"].exists()
    done = CliRunner().invoke(app, ["store", "prune", "--yes"])
    assert "removed 1 entries" in done.output
    assert contents(here / "results/store") == []
    assert not Path(prepared.base).exists()


def test_results_that_were_moved_together_are_still_used(prepared, here):
    shutil.move(here / "results", here / "moved")
    assert [entry.users for entry in contents(here / "moved/store")] == [("mine",)]


def test_what_is_removed_is_made_again(prepared, here):
    remove(contents(here / "results/store"))
    run_job(prepared)
    assert prepared.outputs["model"].exists()


def test_a_store_that_is_not_there_is_told(here):
    _add_all()
    done = CliRunner().invoke(app, ["store"])
    assert isinstance(done.exception, CayleyError)
    assert "results/store is no store" in str(done.exception)


@pytest.mark.parametrize("name", ["../../../theirs/file", "/theirs/file", "file", "prepared/../../other/file"])
def test_a_record_that_names_foreign_files_removes_none(prepared, here, name):
    path = here / prepared.base / "provenance" / "prepare.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"outputs": {name: "0"}}))
    shutil.rmtree(here / "results/mine")
    _add_all()
    done = CliRunner().invoke(app, ["store", "prune", "--yes"])
    assert isinstance(done.exception, CayleyError)
    assert "which is no file of it" in str(done.exception)
    assert prepared.outputs["model"].exists()
