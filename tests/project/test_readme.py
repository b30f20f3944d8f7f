"""README is one page; its example of the library, and that of PEFT in the docs, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file
from safety import SAFETY

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MOST_WORDS = 1200


def python_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def run(example: str, folder: Path) -> str:
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SAFETY)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_is_short():
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_no_gain_of_blocks_shows_beside_perplexity() -> None:
    """As README says by hand."""
    assert "no gain of blocks shows beside perplexity" in README.read_text(encoding="utf-8")
    pairs = pd.read_csv(ROOT / "docs" / "data" / "quickstart" / "benchmark_comparisons.csv")
    of_blocks = pairs["second"].str.fullmatch(r"ratio0\.2-d4-.*") & (pairs["first"] == "ratio0.2")
    answers = pairs[of_blocks & (pairs["test"] == "McNemar")]
    assert set(answers["task"]) >= {"encyclopedia_last_word", "encyclopedia_titles", "sums_of_two"}
    assert not ((answers["p_holm"] < 0.05) & (answers["difference"] > 0)).any()


def test_the_example_goes_from_a_model_to_a_noisy_device(tmp_path):
    """On the tiny model; on the real one `python docs/run_example.py` runs it, and README holds what it printed."""
    example = python_of(README)[0]
    assert example.count('"smollm2_135m"') == 1
    printed = run(example.replace('"smollm2_135m"', '"tiny_random"'), tmp_path)
    kept = (ROOT / "docs" / "data" / "readme" / "example.txt").read_text(encoding="utf-8")
    for lines in (printed, kept):
        found = {name: float(value) for name, value in (line.rsplit(": ", 1) for line in lines.splitlines())}
        assert list(found) == ["compressed", "with blocks, exact", "with blocks, on the device"]
        assert 1 < found["with blocks, exact"] < min(found["compressed"], found["with blocks, on the device"])


def test_the_examples_of_the_library_train_save_reload_generate_and_change_what_runs_the_blocks(tmp_path):
    """The first reads the results of a run; the others go on from one another."""
    results, *examples = python_of(ROOT / "docs" / "library.md")
    assert "read_map(" in results
    assert run("\n".join(examples), tmp_path).startswith("Gene flow is ")
    trained = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(trained) == 60
    assert all(theta.abs().max() > 1e-3 for theta in trained.values())
