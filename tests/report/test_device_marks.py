"""What a processor measured stands on the map, and changes nothing else of it."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from test_plots import drawn  # noqa: F401 - a fixture: cells, baselines and transition of a known map

from cayley_adapters.report.plots.grid import cell_table
from cayley_adapters.report.plots.marks import device_marks, mark_note
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart
from cayley_adapters.report.plots.phase_diagram import phase_diagram_figure


def measured(cells, perplexity, **changes):
    """The map's cells with a processor's row, as they come from the file."""
    row = cells[(cells.block_dim == 4) & (cells.noise_scale == 1) & (cells.executor == "noisy")].iloc[[0]]
    row = row.assign(
        executor="qpu", tokens=83, perplexity=perplexity, targets="o_proj", layers="15", layout="0 1; 5 6; 8 9",
        nll=np.log(perplexity), nll_compressed=np.log(28.0), **changes,
    )  # fmt: skip
    text = pd.concat([cells, row], ignore_index=True).to_csv(index=False)
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype={"layers": str})


@pytest.fixture
def tables(drawn):  # noqa: F811
    return drawn


@pytest.mark.parametrize(("perplexity", "helps"), [(27.0, True), (29.0, False)])
def test_a_mark_says_whether_blocks_helped_on_its_own_text(tables, perplexity, helps):
    cells, _, transition = tables
    table = measured(cells, perplexity)
    axis = np.sort(cell_table(table, transition)["noise_scale"].unique())
    [mark] = device_marks(table, axis).itertuples()
    assert (mark.helps, mark.lines, mark.where) == (helps, 3, "o_proj of layer 15")
    assert axis[int(mark.x)] == 1.0
    assert mark.without_blocks == pytest.approx(28.0)
    assert f"{perplexity:.2f} against 28.00 without blocks" in mark_note(device_marks(table, axis))


def test_the_map_without_a_processor_is_what_it_was(tables):
    cells, _, transition = tables
    with_row = cell_table(measured(cells, 27.0), transition)
    pd.testing.assert_frame_equal(
        with_row[["perplexity", "nll", "text", "best"]],
        cell_table(cells, transition)[["perplexity", "nll", "text", "best"]],
    )
    assert not cell_table(measured(cells, 27.0), transition, every=True)["variant"].str.contains("qpu").any()
    assert mark_note(device_marks(cells, np.array([0.0, 1.0]))) == ""


def test_the_mark_is_drawn_in_its_cell(tables):
    cells, baselines, transition = tables
    drawn_on = phase_diagram_figure(measured(cells, 27.0), baselines, transition).axes
    stars = [line for axes in drawn_on for line in axes.lines if line.get_gid() == "measured"]
    assert len(stars) == len(cells["compression_ratio"].unique()) // 2  # the ratio of the row alone
    assert stars[0].get_markerfacecolor() == "white"
    assert not [
        line for axes in phase_diagram_figure(*tables).axes for line in axes.lines if line.get_gid() == "measured"
    ]
    chart = str(phase_diagram_chart(measured(cells, 29.0), baselines, transition).to_dict())
    assert "o_proj of layer 15" in chart
    assert "o_proj of layer 15" not in str(phase_diagram_chart(*tables).to_dict())
