"""The table and the pictures of the transition, for maps of every kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.transition import transition
from cayley_adapters.analysis.transition_table import TRANSITION_COLUMNS, transition_rows
from cayley_adapters.circuits.noise.budget import Circuit
from cayley_adapters.report.plots.files import save_figure
from cayley_adapters.report.plots.noise_budget import noise_budget_figure
from cayley_adapters.report.plots.transition import transition_figure

BUDGETS = {1: 0.008, 2: 0.04, 3: 0.13, 4: 0.4}
CIRCUITS = [
    Circuit(n, [0, 3, 17, 68][n - 1], 10.0 * n, {"cz": b / 2, "readout": b / 2}, 0.004 if n > 1 else np.nan)
    for n, b in BUDGETS.items()
]


def result_of(axis=(0, 0.1, 0.3, 1, 3, 10), gain=0.3, dims=(2, 4, 8), documents=12, ratios=(0.2, 0.3)):
    """A map whose costs are (20·λ·budget)^1.1 nats, with documents that noise hurts differently.

    The uncompressed model, ratio 0, is run without noise alone, as the presets have it.
    """
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(documents), 10)
    hurt = (1 + 0.2 * rng.standard_normal(documents))[owner]
    rows, losses = [], []
    for ratio in ratios:
        for dim in dims:
            for scale in axis if ratio else axis[:1]:
                cost = (20 * scale * BUDGETS[dim.bit_length() - 1]) ** 1.1
                losses.append(3.0 - gain + cost * hurt / hurt.mean())
                rows.append({
                    "model": "toy", "compression_ratio": ratio, "block_dim": dim, "noise_scale": scale, "shots": 8192.0,
                    "readout": "sign_constrained", "executor": "noisy", "seed": 0, "nll": losses[-1].mean(),
                    "two_qubit_gates": CIRCUITS[dim.bit_length() - 2].two_qubit_gates,
                })  # fmt: skip
    compressed = {ratio: np.full(len(owner), 3.0) for ratio in ratios}
    return transition(
        pd.DataFrame(rows), np.array(losses), owner, compressed, nll_uncompressed=2.0, circuits=CIRCUITS, bootstrap=200,
        readout_costs={(0.2, 8): 0.04},
    )  # fmt: skip


def test_the_table_has_a_row_for_every_block_measured_or_predicted():
    result = result_of()
    table = pd.DataFrame(transition_rows(result), columns=TRANSITION_COLUMNS)
    assert list(zip(table.compression_ratio, table.qubits, strict=True)) == [
        (ratio, n) for ratio in (0.2, 0.3) for n in (1, 2, 3, 4)
    ]
    four = table[table.qubits == 4].iloc[0]
    assert np.isnan(four.lambda_c)
    assert four.lambda_c_predicted == pytest.approx(0.3 ** (1 / 1.1) / 20 / 0.4, rel=0.02)
    assert four.two_qubit_error_needed_ci95_low < four.two_qubit_error_needed < four.two_qubit_error_needed_ci95_high
    three = table[(table.qubits == 3) & (table.compression_ratio == 0.2)].iloc[0]
    assert three.lambda_c == pytest.approx(0.3 ** (1 / 1.1) / 20 / 0.13, rel=0.02)
    assert 0 < three.two_qubit_error_needed_readout_as_is < 0.004


def test_the_picture_shows_every_cell_and_what_is_predicted():
    figure = transition_figure(result_of(), "A heading")
    titles = [axes.get_title("left") for axes in figure.axes]
    assert [title[0] for title in titles] == list("abcdef")
    cost = figure.axes[2]
    points = [line for line in cost.lines if line.get_marker() in ("o", "s", "^") and len(line.get_xdata()) == 1]
    assert len(points) == 2 * 3 * 5  # ratios, blocks, positive noise scales
    assert any("one curve" in text.get_text() for text in cost.texts)
    critical = figure.axes[3]
    crosses = [line for line in critical.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [4, 4]
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize(
    "options",
    [
        {"gain": -0.1},  # no gain anywhere: nothing is critical
        {"axis": (0,)},
        {"axis": (0, 1)},
        {"axis": (0, 0.0001)},  # all censored above
        {"axis": (0, 30)},  # all censored below
        {"dims": (4,), "ratios": (0.2,)},
        {"documents": 1},
        {"ratios": (0, 0.2)},  # beyond the axis at one ratio alone
    ],
)
def test_every_kind_of_map_can_be_drawn(options, tmp_path):
    result = result_of(**options)
    figure = transition_figure(result, "A heading")
    if options == {"axis": (0,)}:  # gains, and nothing that noise did
        said = [any(text.get_text() == "nothing to show" for text in axes.texts) for axes in figure.axes]
        assert said == [False, True, True, True, True, True]
    figure.savefig(tmp_path / "t.png", dpi=50)
    assert (tmp_path / "t.png").stat().st_size > 10_000
    assert len(transition_rows(result)) >= len(options.get("dims", (2, 4, 8)))


def test_the_noise_budget_is_drawn_by_source(tmp_path):
    table = pd.DataFrame(
        {"compression_ratio": 0.2, "qubits": n, "source": source, "cost": cost, "cost_se": 0.01}
        for n, costs in {1: (np.nan, 0.05), 2: (0.06, 0.16)}.items()
        for source, cost in zip(("cz", "readout"), costs, strict=True)
    ).dropna()
    gains = pd.DataFrame({"compression_ratio": [0.2, 0.2], "qubits": [1, 2], "gain": [0.3, 0.35]})
    figure = noise_budget_figure(table, gains, CIRCUITS, "A heading")
    costs, counted = figure.axes
    heights = sorted(round(bar.get_height(), 3) for bar in costs.patches)
    assert heights == [0.05, 0.06, 0.16, 0.3, 0.35]  # costs and gains
    assert sorted(text.get_text() for text in costs.texts) == ["0.05", "0.06", "0.16", "0.3", "0.35"]
    ends = [np.ptp(bars.get_segments()[0][:, 1]) for bars in costs.collections]
    np.testing.assert_allclose(ends, 2 * 1.96 * 0.01)  # 95 %
    assert len(counted.patches) == 2 * len(CIRCUITS)
    assert costs.get_yscale() == counted.get_yscale() == "linear"
    save_figure(figure, tmp_path / "b.png", tmp_path / "b.svg")
    empty = noise_budget_figure(table.iloc[:0], gains, [], "Nothing measured")
    save_figure(empty, tmp_path / "e.png", tmp_path / "e.svg")
    assert (tmp_path / "e.svg").read_text().count("<svg") == 1
