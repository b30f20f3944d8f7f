"""``cayley compare`` on results folders: what it writes and prints, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared_maps import made_map, write_map
from safety import SAFETY

from cayley_adapters.analysis.comparison import DIFFERENCE_COLUMNS, compare_maps
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.stages.compare import names_of

HOSTILE = "</script><script>window.ran=1</script> $x_1$ \x1b[2J"


def compare(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cayley_adapters", "compare", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=SAFETY)


@pytest.fixture(scope="module")
def maps():
    """A map, one of a noisier device with a hostile title, and one of another number of qubits."""
    device = {"noise": {"backend": "FakeBoston"}}
    return [
        made_map("weak", config={"run": "one"}),
        made_map("strong", 2.0, draw=2, config={"run": "two", "title": HOSTILE} | device),
        made_map("third", 3.0, draw=3, dims=(4, 8)),
    ]


@pytest.fixture(scope="module")
def results(maps, tmp_path_factory):
    """A run of one map, and one whose two variants lie a level below."""
    folder = tmp_path_factory.mktemp("compared")
    write_map(maps[0], folder / "results" / "weak")
    for one in maps[1:]:
        write_map(one, folder / "results" / "swept" / one.name)
    return folder


@pytest.fixture(scope="module")
def done(results):
    return compare("results/weak", "results/swept", cwd=results)


def test_it_writes_tables_picture_and_page(results, maps, done):
    assert done.returncode == 0, done.stderr
    folder = results / "comparison"
    names = {"comparison.csv", "comparison.html", "comparison.png", "comparison.svg", "comparison_differences.csv"}
    assert {path.name for path in folder.iterdir()} == names
    expected = compare_maps(maps)
    differences = pd.read_csv(folder / "comparison_differences.csv")
    assert list(differences.columns) == DIFFERENCE_COLUMNS
    np.testing.assert_allclose(differences["estimate"], expected.differences["estimate"].astype(float), rtol=1e-9)
    assert differences["map"].tolist() == expected.differences["map"].tolist()
    numbers = pd.read_csv(folder / "comparison.csv")
    assert list(numbers.columns) == list(expected.table.columns)
    assert dict(zip(numbers["map"], numbers["title"], strict=True)) == expected.labels
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert "<script>window" not in page


def test_it_prints_what_differs_and_by_how_much(done):
    text = done.stdout
    for word in ("noise.backend", "FakeFez", "FakeBoston", "lora d = 4", "blocks d = 8", "λ_c ratio", "p (Holm)"):
        assert word in text, word
    assert "are of the same 24 test documents" in text
    assert "for all 21 comparisons" in text  # d = 2 and 4 of one map, d = 4 of the other
    assert "Written to comparison" in text
    assert "\x1b" not in text
    assert done.stderr == ""


def test_reference_noise_scales_and_folder_can_be_chosen(results):
    options = ("--reference", "third", "--noise-scale", "3", "--noise-scale", "0.3", "--output", "elsewhere")
    done = compare("results/swept", *options, cwd=results)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(results / "elsewhere" / "comparison_differences.csv")
    assert set(table["reference"]) == {"third"}
    assert sorted(table["noise_scale"].dropna().unique()) == [0.0, 0.3, 3.0]


def test_maps_are_named_by_the_part_of_their_path_that_no_other_has(tmp_path):
    folders = [tmp_path / path for path in ("one/fez", "two/fez", "two/boston", "three")]
    assert list(names_of(folders)) == ["one/fez", "two/fez", "boston", "three"]
    with pytest.raises(CayleyError, match="is given twice"):
        names_of([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def other_text(folder: Path) -> None:
    write_map(made_map("other", text=5), folder)


def unfinished(folder: Path) -> None:
    write_map(made_map("other"), folder)
    shutil.rmtree(folder / "evaluations" / "ratio0.2" / "d4")


def without_a_map(folder: Path) -> None:
    write_map(made_map("other"), folder)
    (folder / "transition.json").unlink()


def damaged(folder: Path) -> None:
    write_map(made_map("other"), folder)
    (folder / "config.yaml").write_text("[")


def other_axis(folder: Path) -> None:
    write_map(made_map("other", axis=(0.0, 0.5, 2.0)), folder)


@pytest.mark.parametrize(
    ("make", "words", "message"),
    [
        (other_text, ["results/weak", "made"], "the test texts differ"),
        (unfinished, ["results/weak", "made"], "made is unfinished: made/evaluations/ratio0.2/d4/seed0/losses"),
        (without_a_map, ["results/weak", "made"], "made is unfinished: made/transition.json is missing"),
        (damaged, ["results/weak", "made"], "cannot read made/config.yaml"),
        (other_axis, ["results/weak", "made"], "share no noise scale above 0"),
        (Path.mkdir, ["results/weak", "made"], "made is no results folder"),
        (None, ["results/weak", "made"], "made is no folder"),
        (None, ["results"], "results is no results folder"),
        (None, ["results/weak"], "one map has nothing to be compared with"),
        (None, ["results/weak", "results/weak"], "results/weak is given twice"),
        (None, ["results/swept", "--reference", "weak"], "--reference weak: no map has that name"),
        (None, ["results/swept", "--noise-scale", "7"], "--noise-scale 7: not all maps have it"),
        (None, ["experiment=ci", "--output", "x"], "go with results folders"),
        (None, [], "one map has nothing to be compared with"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(results, tmp_path, make, words, message):
    shutil.copytree(results / "results", tmp_path / "results")
    if make is not None:
        make(tmp_path / "made")
    before = sorted(tmp_path.rglob("*"))
    done = compare(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before
