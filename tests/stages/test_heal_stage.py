"""The stage that heals: goes on after a cut to the same bytes, and what follows is made of its model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from cutting import steps_of

from cayley_adapters import load_compressed
from cayley_adapters.core.tables import read_table
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose
from cayley_adapters.stages import heal

OVERRIDES = [
    *("heal.steps=6", "heal.validate_every=2", "sweep.block_dim=4", "control=none"),
    *("data=text", "data.train=train.txt", "data.test=test.txt"),
]
LORA = ["heal.weights=lora", "heal.rank=2"]


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """What does everything before healing, on a little text, and gives the configuration with more overrides."""
    monkeypatch.chdir(tmp_path)
    words = np.random.default_rng(0).choice(["a", "block", "of", "circuits", "turns", "the", "slice"], 1200)
    for name, part in (("train", words[:1000]), ("test", words[1000:])):
        (tmp_path / f"{name}.txt").write_text(" ".join(part))

    def made(overrides=()):
        found = compose("ci", [*OVERRIDES, *overrides])
        for stage in ("prepare", "compress"):
            for job in jobs(found, stage):
                run_job(job)
        return found

    return made


@pytest.mark.parametrize("overrides", [[], LORA], ids=["all", "lora"])
def test_a_cut_off_healing_goes_on_to_the_same_files(prepared, monkeypatch, tmp_path, overrides):
    (job,) = jobs(prepared(overrides), "heal")
    folder = job.outputs["compressed"].parent
    assert steps_of(job, heal, monkeypatch) == [1, 2, 3, 4, 5, 6]
    shutil.move(folder, tmp_path / "whole")
    assert steps_of(job, heal, monkeypatch, cut_at=5) == [1, 2, 3, 4, 5]
    assert steps_of(job, heal, monkeypatch) == [5, 6]
    for path in sorted((tmp_path / "whole").iterdir()):
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert not [path for path in (tmp_path / job.base).glob("checkpoints/**/*") if path.is_file()]


def test_what_follows_is_made_of_the_healed_model(prepared):
    settings = prepared()
    (job,) = jobs(settings, "heal")
    run_job(job)
    source, folder = job.inputs["compressed"][0].parent, job.outputs["compressed"].parent
    before, after = load_compressed(source), load_compressed(folder)
    assert [*before.state_dict()] == [*after.state_dict()]
    assert after.lm_head.weight is after.model.embed_tokens.weight
    assert (folder / "config.json").read_bytes() == (source / "config.json").read_bytes()
    assert {path.name for path in folder.iterdir()} == {path.name for path in source.iterdir()} | {"healing.csv"}
    was, now = (json.loads((at / "compression.json").read_text()) for at in (source, folder))
    healing = now.pop("healing")
    assert now == was
    assert (healing["steps"], healing["windows"]) == (6, 12)
    history = read_table(folder / "healing.csv")
    assert list(history["step"]) == list(range(7))
    validated = history["validation"].dropna()
    assert len(validated) == 4
    assert validated.min() < validated.iloc[0]
    for stage in ("teacher", "train", "transpile", "reference", "baseline", "evaluate"):
        for one in jobs(settings, stage):
            run_job(one)
    (train, *_), (baseline,) = jobs(settings, "train"), jobs(settings, "baseline")
    assert train.inputs["compressed"] == baseline.inputs["compressed"] == [folder / "model.safetensors"]
    assert json.loads(train.outputs["adapter_config"].read_text())["peft_type"] == "CAYLEY"
    row = read_table(baseline.outputs["row"]).iloc[0]
    windows = torch.as_tensor(_test_windows(train), dtype=torch.long)
    with torch.no_grad():
        logits = after(windows).logits[:, :-1]
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    assert row["nll"] == pytest.approx(wanted.item(), rel=1e-5)


def _test_windows(job):
    from cayley_adapters.models.windows import load_windows

    return load_windows(job.inputs["tokens"][0], "test").tokens[:2]
