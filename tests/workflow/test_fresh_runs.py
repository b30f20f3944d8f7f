"""Runs that share nothing with any other, and so may go on beside the other tests of the workflow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

from safety import wait_for


def test_two_workflows_on_one_folder(fresh):
    """The second stops with a sentence while the first works, and starts once the first is gone."""
    arguments = ("phase_diagram", "--until", "prepare", "--config", "experiment=ci")
    lock = fresh.folder / "results" / "ci" / ".lock"
    first = subprocess.Popen(
        fresh.command("phase_diagram", "--config", "experiment=ci"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **fresh.options(),
    )
    try:
        wait_for(lambda: first.poll() is not None or (lock.exists() and "process" in lock.read_text()))
        os.killpg(first.pid, signal.SIGSTOP)  # it holds its lock for as long as the second takes
        assert first.poll() is None
        done = fresh.snakemake(*arguments, check=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert done.returncode != 0
    assert "another workflow is writing to results/ci" in done.stdout + done.stderr
    fresh.snakemake(*arguments)


def test_an_edited_text_is_prepared_anew(fresh):
    for name in ("train", "test"):
        (fresh.folder / f"{name}.txt").write_text(f"some words to {name} in a line\n" * 400)
    overrides = "data=text data.train=train.txt data.test=test.txt data.window=32 data.calibration_windows=8 run=text"
    fresh.snakemake("phase_diagram", "--until", "prepare", "--config", "experiment=ci", f"overrides={overrides}")
    assert "prepare" not in fresh.planned(overrides)
    (fresh.folder / "train.txt").write_text("other words in a line\n" * 400)
    assert "prepare" in fresh.planned(overrides)


def test_an_edited_model_is_prepared_and_compressed_anew(fresh, tiny_folder):
    """Its configuration and its tokenizer, which provenance hashes, count as its weights do."""
    model = fresh.folder / "a model"
    shutil.copytree(tiny_folder, model)
    for name in ("train", "test"):
        (fresh.folder / f"{name}.txt").write_text(f"some words to {name} in a line\n" * 400)
    text = "data=text data.train=train.txt data.test=test.txt data.window=32 data.calibration_windows=8"
    overrides = f"model=local model.path='a model' {text} run=own"
    asked = ("phase_diagram", "--until", "compress", "--config", "experiment=ci", f"overrides={overrides}")

    def made() -> dict[str, bytes]:
        fresh.snakemake(*asked)
        assert "prepare" not in fresh.planned(overrides)
        folder = fresh.folder / "results" / "own"
        kinds = ("prepared/tokens.safetensors", "compressed/ratio0.3/model.safetensors")
        return {name: (folder / name).read_bytes() for name in kinds}

    first = made()
    config = json.loads((model / "config.json").read_text())
    config["rms_norm_eps"] = 0.5
    (model / "config.json").write_text(json.dumps(config))
    assert {"prepare", "compress"} <= set(fresh.planned(overrides))
    second = made()
    assert [name for name in first if first[name] != second[name]] == ["compressed/ratio0.3/model.safetensors"]
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["e"] = vocabulary["e"], vocabulary["a"]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "prepare" in fresh.planned(overrides)
    third = made()
    assert [name for name in first if second[name] != third[name]] == list(first)
