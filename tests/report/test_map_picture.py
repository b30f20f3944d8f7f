"""The map's picture: what its colours, numbers and marks say, and that none covers another."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from test_plots import drawn, synthetic_map  # noqa: F401 - drawn is a fixture

from cayley_adapters.report.names import MODELS, model_title
from cayley_adapters.report.plots.colours import colour_limit, colours
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart
from cayley_adapters.report.plots.phase_diagram import phase_diagram_figure

CONF = Path(__file__).parents[2] / "conf" / "model"


@pytest.fixture
def known(drawn):  # noqa: F811
    """Cells, baselines and transition of a known map."""
    return drawn


def test_the_colours_grow_dark_from_zero_on_both_sides():
    shares = np.linspace(0, 1, 50)
    for side in (-1, 1):  # help, harm
        light = colours()((1 + side * shares) / 2)[:, :3] @ (0.2126, 0.7152, 0.0722)
        assert (np.diff(light) < 0).all()
    help_, harm = colours()(0.1)[:3], colours()(0.9)[:3]
    assert help_[2] > help_[0]
    assert harm[0] > harm[2]


@pytest.mark.parametrize(
    ("against", "limit"),
    [
        ([-0.46, 0.2, np.inf], 0.5),
        ([-1.1, np.nan], 2.0),
        ([0.3, 7.0], 1.0),
        ([0.02], 0.02),
        ([0.0], 0.1),
        ([-0.5], 0.5),
    ],
)
def test_the_colours_end_at_the_largest_gain(against, limit):
    assert colour_limit(pd.Series(against)) == pytest.approx(limit)


def test_no_number_touches_a_line(known):
    cells, baselines, result = known
    figure = phase_diagram_figure(cells, baselines, result)
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes[:2]:
        boundary = next(line for line in axes.lines if line.get_gid() == "boundary")
        lines = axes.transData.transform(np.column_stack(boundary.get_data()))
        upright = [(x, sorted((low, high))) for (x, low), (_, high) in zip(lines[::2], lines[1::2], strict=True)]
        for text in axes.texts:
            if not re.fullmatch(r"[\d.]+[kM]?", text.get_text()):
                continue
            box = text.get_window_extent(renderer)
            for x, (low, high) in upright:
                crosses = box.x0 < x < box.x1 and box.y0 < high and low < box.y1
                assert not crosses, text.get_text()


def further(result):
    """The same map with its further boundaries."""
    ratios = [
        part | {"blocks": [block | {
            "lambda_repair": 0.5 * block["lambda_c"], "lambda_repair_censored": None,
            "lambda_identity": 0.7 * block["lambda_c"],
        } for block in part["blocks"]]}
        for part in result["ratios"]
    ]  # fmt: skip
    return {**result, "ratios": ratios}


def test_further_boundaries_have_letters_that_the_legend_explains(known):
    cells, baselines, result = known
    figure = phase_diagram_figure(cells, baselines, further(result))
    for axes in figure.axes[:2]:
        letters = [text.get_text() for text in axes.texts if text.get_text() in ("R", "I")]
        assert sorted(letters) == ["I"] * 3 + ["R"] * 3
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"R: nothing left of the repair", "I: circuits that learnt nothing cost G"} < set(legend)
    without = [text.get_text() for text in phase_diagram_figure(*known).legends[0].get_texts()]
    assert not [name for name in without if name.startswith(("R:", "I:"))]


def test_a_picture_of_one_seed_says_that_its_intervals_have_no_seeds_in_them(known):
    said = phase_diagram_figure(*known).texts[-1].get_text().replace("\n", " ")
    assert "not over training seeds, of which there is one" in said
    cells, baselines, result = synthetic_map(seeds=(0, 1))
    assert "not over training seeds" not in phase_diagram_figure(cells, baselines, result).texts[-1].get_text()


def test_models_have_the_names_that_people_know(known):
    cells, baselines, result = known
    figure = phase_diagram_figure(cells.assign(model="smollm2_135m"), baselines, result)
    assert figure.texts[0].get_text().startswith("SmolLM2-135M: ")
    configured = {yaml.safe_load(path.read_text()).get("name") for path in CONF.glob("*.yaml")} - {None}
    assert configured == set(MODELS)
    assert model_title("Qwen--Qwen2.5-0.5B") == "Qwen2.5-0.5B"
    assert model_title("my-folder") == "my-folder"


def test_the_interactive_map_has_the_same_marks(known):
    cells, baselines, result = known
    spec = phase_diagram_chart(cells, baselines, further(result)).to_dict()
    layers = spec["vconcat"][0]["hconcat"][0]["layer"]
    texts = [layer["mark"] for layer in layers if layer["mark"]["type"] == "text"]
    assert "▼" in [mark.get("text") for mark in texts]
    assert {"bold", "normal"} <= {mark.get("fontWeight") for mark in texts}
    [hatching] = [layer for layer in layers if layer.get("transform") == [{"filter": "datum.noise_dominated"}]]
    assert hatching["mark"]["shape"].startswith("M")
    colour = next(layer["encoding"]["color"]["scale"] for layer in layers if layer["mark"]["type"] == "rect")
    assert colour["domain"][0] == -colour["domain"][1]
    letters = [layer for layer in layers if layer["encoding"].get("text", {}).get("field") == "letter"]
    assert len(letters) == 2  # a halo, and the letter


def test_names_of_baselines_do_not_cover_each_other(known):
    cells, baselines, result = known
    more = [
        baselines[baselines["method"] == "compressed"].assign(method=name, nll=np.log(30 + shift), matched_block_dim=d)
        for name, d, shift in (("lora", 2, 0), ("lora", 4, 0.01), ("ia3", np.nan, 0.02))
    ]
    spec = phase_diagram_chart(cells, pd.concat([baselines, *more]), result).to_dict()
    [layer] = [
        layer
        for layer in spec["vconcat"][1]["hconcat"][0]["layer"]
        if layer["encoding"].get("text", {}).get("field") == "method"
    ]
    rows = sorted(spec["datasets"][layer["data"]["name"]], key=lambda row: row["place"])
    assert [row["method"] for row in rows] == [
        "uncompressed",
        "LoRA, as d = 2",
        "LoRA, as d = 4",
        "trained scale (IA3)",
        "compressed",
    ]
    low, high = layer["encoding"]["y"]["scale"]["domain"]
    heights = [260 * np.log(row["place"] / low) / np.log(high / low) for row in rows]
    assert np.diff(heights).min() > 11.9
