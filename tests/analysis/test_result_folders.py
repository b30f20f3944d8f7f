"""A map read from its results folder, and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from map_tables import SCALES, small_map

import cayley_adapters as ca
from cayley_adapters.core.errors import CayleyError


@pytest.fixture
def results(tmp_path: Path) -> Path:
    cells, baselines, transition = small_map()
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("run: mine\n")
    cells.to_csv(folder / "phase_diagram.csv", index=False)
    baselines.to_csv(folder / "baselines.csv", index=False)
    transition["bootstrap"]["replicates"] = 2000
    (folder / "transition.json").write_text(json.dumps(transition))
    return folder


def test_a_map_has_the_rows_of_its_picture(results: Path) -> None:
    found = ca.read_map(results)
    assert set(found["executor"]) == {"noisy"}
    assert set(found["shots"]) == {8192}
    table = found.pivot_table(index="block_dim", columns="noise_scale", values="perplexity")
    assert (list(table.index), list(table.columns)) == ([2, 4], list(SCALES))
    assert len(ca.read_map(str(results), every=True)) > len(found)


def test_maps_of_variants_are_told_apart(results: Path, tmp_path: Path) -> None:
    above = tmp_path / "results" / "run"
    above.mkdir()
    for name in ("fake_fez", "fake_boston"):
        (above / name).symlink_to(results)
    found = ca.read_map(above)
    assert next(iter(found.columns)) == "variant"
    assert list(found["variant"].unique()) == ["fake_boston", "fake_fez"]
    with pytest.raises(CayleyError, match=r"has several maps; give one of .*fake_boston, .*fake_fez"):
        ca.plot_map(above)


def test_what_is_no_finished_results_folder_is_told(results: Path, tmp_path: Path) -> None:
    with pytest.raises(CayleyError, match="is no folder"):
        ca.read_map(tmp_path / "nothing")
    (results / "transition.json").unlink()
    with pytest.raises(CayleyError, match=r"unfinished: transition\.json is missing"):
        ca.read_map(results)


def test_a_notebook_is_shown_a_picture(results: Path) -> None:
    figure = ca.plot_map(results, title="A model")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "A model" in [text.get_text() for text in figure.texts]
