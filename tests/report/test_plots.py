"""The figure and the charts, on a map whose boundaries are known."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.comparison import DIFFERENCE_COLUMNS
from cayley_adapters.analysis.transition import transition
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.report.plots.boundaries import boundary_table, column_of
from cayley_adapters.report.plots.comparison import comparison_figure
from cayley_adapters.report.plots.comparison_chart import comparison_chart
from cayley_adapters.report.plots.files import save_figure, save_html
from cayley_adapters.report.plots.grid import cell_table, short
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart
from cayley_adapters.report.plots.phase_diagram import phase_diagram_figure

AXIS = [0, 0.1, 0.3, 1, 3, 10]
UNCOMPRESSED, COMPRESSED = 17.3, {0.1: 44.5, 0.2: 66.8}
CURVES = {  # perplexity over AXIS at ratio 0.1
    2: [32.0, 32.1, 32.2, 32.6, 33.8, 38.5],
    4: [30.0, 30.3, 31.0, 34.8, 58.0, 610.0],
    8: [28.0, 28.9, 32.9, 81.3, 4090.0, 66900.0],
}
GATES = {2: 0.0, 4: 3.0, 8: 17.0}


NO_DIFFERENCES = pd.DataFrame(columns=DIFFERENCE_COLUMNS)


def differences_of(name):
    """A map that is worse by 0.02 nats a token at noise scale 1, and by a decade at 3."""
    rows = [
        {"map": name, "compression_ratio": ratio, "block_dim": dim, "quantity": "nll_difference", "noise_scale": scale}
        | {"estimate": value, "ci95_low": value - 0.005, "ci95_high": value + 0.01, "p": 0.01, "p_holm": 0.04}
        for ratio in COMPRESSED
        for dim in CURVES
        for scale, value in ((0.0, 0.0), (1.0, 0.02), (3.0, np.log(10)))
    ]
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def synthetic_map(seeds=(0,), tokens=2295, model="SmolLM2-135M-Instruct", documents=20):
    """Cells, baselines, token losses and documents shaped like a real run's."""
    rng = np.random.default_rng(5)
    owner = np.sort(rng.integers(documents, size=tokens))
    text = rng.normal(size=documents)[owner] * 0.3 + rng.normal(size=tokens)
    text -= text.mean()
    rows, losses = [], []

    def cell(ratio, dim, scale, shots, readout, executor, seed, perplexity):
        noise = rng.normal(size=documents)[owner] * 0.1 * (1 + np.log(perplexity / 25).clip(0))
        token = np.log(perplexity) + text + noise - noise.mean() + 0.004 * seed
        nll = token.mean()
        losses.append(token.astype(np.float32))
        rows.append(
            {
                "model": model, "compression": "whitened_svd", "compression_ratio": ratio, "ansatz": "full",
                "block_dim": dim, "qubits": int(np.log2(dim)), "noise_scale": float(scale), "shots": float(shots),
                "readout": readout, "seed": seed, "tokens": tokens, "nll": nll, "nll_se": 0.06,
                "perplexity": np.exp(nll),
                "recovery": (COMPRESSED[ratio] - np.exp(nll)) / (COMPRESSED[ratio] - UNCOMPRESSED),
                "adapter_parameters": 74880 * (dim - 1), "two_qubit_gates": GATES[dim], "executor": executor,
                "backend": "FakeFez", "layout": "median", "mitigation": "none", "targets": "all",
            }
        )  # fmt: skip

    for ratio, level in COMPRESSED.items():
        for dim, curve in CURVES.items():
            for seed in seeds:
                factor = 1 + (level / 44.5 - 1) * 0.55
                cell(ratio, dim, 0, np.inf, "signed", "exact", seed, curve[0] * factor * 0.985)
                for scale, perplexity in zip(AXIS, curve, strict=True):
                    cell(ratio, dim, scale, 8192, "sign_constrained", "noisy", seed, perplexity * factor)
                    if dim == 4:
                        cell(ratio, dim, scale, np.inf, "sign_constrained", "noisy", seed, perplexity * factor * 0.995)
    references = {ratio: np.log(level) + text for ratio, level in COMPRESSED.items()}
    base = [("uncompressed", 0.0, UNCOMPRESSED)] + [("compressed", ratio, level) for ratio, level in COMPRESSED.items()]
    baselines = pd.DataFrame(
        {
            "model": model, "compression": "whitened_svd", "compression_ratio": ratio, "method": method,
            "adapter_parameters": 0, "seed": 0, "tokens": tokens, "nll": np.log(level), "nll_se": 0.05,
            "perplexity": level, "recovery": float(method == "uncompressed"),
        }
        for method, ratio, level in base
    )  # fmt: skip
    cells = pd.DataFrame(rows)
    result = transition(cells, np.array(losses), owner, references, nll_uncompressed=np.log(UNCOMPRESSED))
    return cells, baselines, result


@pytest.fixture(scope="module")
def drawn():
    return synthetic_map()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1.00"), (28.04, "28.0"), (316.7, "317"), (999.7, "1.0k"), (4090, "4.1k"), (66900, "67k"), (1.25e6, "1.2M"),
     (3e12, "3e12"), (np.inf, "∞"), (np.nan, "–")],
)  # fmt: skip
def test_short_numbers(value, text):
    assert short(value) == text


def test_columns_are_linear_in_log_noise():
    axis = np.array([0, 0.1, 1, 10])
    scales = [0, 0.05, 0.1, np.sqrt(0.1), 1, 10, 20]
    assert [column_of(axis, scale) for scale in scales] == pytest.approx([-0.5, 0.5, 1, 1.5, 2, 3.5, 3.5])


def test_the_figure_has_a_panel_a_ratio_and_hatches_exactly_the_noise_dominated(drawn):
    cells, baselines, result = drawn
    figure = phase_diagram_figure(cells, baselines, result, title="A title")
    panels = [axes for axes in figure.axes if axes.get_label().startswith("ratio")]
    assert [axes.get_label() for axes in panels] == ["ratio 0.1", "ratio 0.2"]
    main = cells[(cells["readout"] == "sign_constrained") & (cells["shots"] == 8192)]
    for axes, part in zip(panels, result["ratios"], strict=True):
        hatched = {
            (round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)) for patch in axes.patches if patch.get_hatch()
        }
        above = main[(main["compression_ratio"] == part["compression_ratio"]) & (main["nll"] > part["nll_compressed"])]
        expected = {(AXIS.index(row.noise_scale), list(CURVES).index(row.block_dim)) for row in above.itertuples()}
        assert hatched == expected != set()
        texts = " ".join(text.get_text() for text in axes.texts)
        assert "uncompressed ppl 17.3" in texts
        assert f"compressed ppl {COMPRESSED[part['compression_ratio']]}" in texts
        assert axes.get_xlabel() == "Noise scale λ (1 = device as calibrated)"
        boundary = next(line for line in axes.lines if line.get_gid() == "boundary")
        crossings = [column_of(np.array(AXIS), block["lambda_c"]) for block in part["blocks"]]
        np.testing.assert_allclose(boundary.get_xdata()[::2], crossings)
        assert [line.get_xdata() for line in axes.lines if line.get_gid() == "device"] == [[3]]
    note = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    for word in ("A title", "SmolLM2-135M-Instruct", "FakeFez", "sign-constrained", "8,192", "all", "2,295", "noisy"):
        assert word in note


def test_two_saves_have_the_same_bytes(drawn, tmp_path):
    for name in ("one", "two"):
        save_figure(phase_diagram_figure(*drawn), tmp_path / f"{name}.png", tmp_path / "new" / f"{name}.svg")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    svg = (tmp_path / "new" / "one.svg").read_bytes()
    assert svg == (tmp_path / "new" / "two.svg").read_bytes()
    assert b"<dc:date>" not in svg


def edge_case(curves, level=44.5):
    """A map of one ratio with perplexities over a short axis."""
    axis, tokens = [0, 0.5, 2], 6
    rows, losses = [], []
    template = synthetic_map()[0].iloc[1].to_dict()
    for dim, curve in curves.items():
        for scale, perplexity in zip(axis, curve, strict=True):
            nll = np.log(perplexity)
            changed = {"block_dim": dim, "qubits": int(np.log2(dim)), "noise_scale": scale, "nll": nll}
            rows.append({**template, **changed, "perplexity": perplexity, "two_qubit_gates": GATES[dim]})
            losses.append(np.full(tokens, nll))
    cells, references = pd.DataFrame(rows), {0.1: np.full(tokens, np.log(level))}
    return cells, transition(
        cells, np.array(losses), np.arange(tokens), references, nll_uncompressed=np.log(UNCOMPRESSED), bootstrap=20
    )


@pytest.mark.parametrize(
    "curves",
    [
        {2: [30, 60, 90], 4: [50, 60, 70], 8: [20, 30, 40]},  # below, no gain, above
        {4: [30, 40, 1e300]},
        {2: [30, np.inf, np.nan], 4: [30, 31, 50]},
    ],
)
def test_censored_and_overflowing_maps_are_drawn(curves, drawn, tmp_path):
    cells, result = edge_case(curves)
    save_figure(phase_diagram_figure(cells, drawn[1], result), tmp_path / "a.png", tmp_path / "a.svg")
    save_html(phase_diagram_chart(cells, drawn[1], result), tmp_path / "a.html")
    compared = [("one", cells, result), ("two", cells, result)], NO_DIFFERENCES, []
    save_html(comparison_chart(*compared), tmp_path / "comparison.html")
    save_figure(comparison_figure(*compared), tmp_path / "b.png", tmp_path / "b.svg")


def test_boundaries_off_the_axis_lie_at_the_edge_of_what_is_known():
    _, result = edge_case({2: [30, 60, 90], 4: [50, 60, 70], 8: [20, 30, 40]})
    table = boundary_table(result, np.array([0, 0.5, 2]))
    assert table["censored"].tolist() == ["below", "no", "above"]
    assert table["x"].tolist() == [0.5, -0.5, 2.5]


def test_without_compression_nothing_is_to_recover(drawn, tmp_path):
    cells, result = edge_case({4: [30, 40, 50]}, level=UNCOMPRESSED)
    figure = phase_diagram_figure(cells, drawn[1], result)
    assert sum(bool(patch.get_hatch()) for patch in figure.axes[0].patches) == 3
    save_figure(figure, tmp_path / "a.png", tmp_path / "a.svg")


def test_seeds_are_averaged_in_the_figure():
    cells, baselines, result = synthetic_map(seeds=(0, 1, 2))
    figure = phase_diagram_figure(cells, baselines, result)
    assert sum(not patch.get_hatch() for patch in figure.axes[0].patches) == len(AXIS) * len(CURVES)
    assert "mean of 3 seeds" in figure.texts[-1].get_text().replace("\n", " ")


def test_a_missing_baseline_is_named(drawn):
    cells, baselines, result = drawn
    with pytest.raises(CayleyError, match=r"lack method compressed at compression ratio 0\.1"):
        phase_diagram_figure(cells, baselines[baselines["method"] == "uncompressed"], result)


def scripts_of(page):
    return re.findall(r"<script[^>]*>", page)


def test_the_page_works_offline_and_names_cannot_break_out(drawn, tmp_path):
    cells, baselines, result = drawn
    name = "</script><script src='https://example.org/x.js'></script><b>model"
    chart = phase_diagram_chart(cells.assign(model=name), baselines, result)
    save_html(chart, tmp_path / "chart.html", title=name)
    page = (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert scripts_of(page) == ["<script>", "<script>"]
    assert page.count("</script>") == 2
    assert "<b>model" not in page
    assert (tmp_path / "chart.html").stat().st_size < 1.5e6
    assert [path.name for path in tmp_path.iterdir()] == ["chart.html"]


def test_no_view_is_named_by_where_objects_lie_in_memory(drawn):
    spec = phase_diagram_chart(*drawn).to_dict()
    assert [parameter["views"] for parameter in spec["params"]] == [["curves_0"]]
    assert '"view_' not in json.dumps(spec)


def test_the_chart_shows_every_number_of_a_cell(drawn):
    spec = phase_diagram_chart(*drawn).to_dict()
    text = json.dumps(spec, allow_nan=False)
    for title in ("Perplexity", "nll (nats a token)", "Recovered share of nll", "Adapter parameters", "Test tokens",
                  "Two-qubit gates a block", "Readout, shots, executor", "Device"):  # fmt: skip
        assert f'"title": "{title}"' in text
    for variant in ("signed, unlimited shots, exact", "sign_constrained, 8,192 shots, noisy"):
        assert variant in text
    assert spec["vconcat"][0]["hconcat"][0]["title"]["subtitle"] == "uncompressed ppl 17.3 · compressed ppl 44.5"


def test_charts_compile(drawn):
    import vl_convert

    cells, baselines, result = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charts = (
            phase_diagram_chart(cells, baselines, result),
            comparison_chart([("a", cells, result), ("b", cells, result)], differences_of("b"), ["A note."]),
        )
        for chart in charts:
            assert len(vl_convert.vegalite_to_svg(chart.to_dict())) > 10_000


def test_maps_are_compared_on_one_page(drawn, tmp_path):
    cells, _, result = drawn
    maps = [("SmolLM2-135M", cells, result), ("SmolLM2-360M", cells, result)]
    save_html(comparison_chart(maps, NO_DIFFERENCES, []), tmp_path / "alone.html", "Maps compared")
    save_html(comparison_chart(maps, differences_of("SmolLM2-360M"), ["A note."]), tmp_path / "comparison.html")
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    for text in ("SmolLM2-135M", "SmolLM2-360M", "A note.", "p (Holm)", "Perplexity against SmolLM2-135M"):
        assert text in page, text
    assert "Perplexity against" not in (tmp_path / "alone.html").read_text(encoding="utf-8")
    assert scripts_of(page) == ["<script>", "<script>"]
    assert len(page) < 1.5e6


def test_the_picture_of_a_comparison_has_a_series_a_map_told_apart_without_colour(drawn):
    cells, _, result = drawn
    maps = [("one", cells, result), ("_$two_$", cells, result)]
    figure = comparison_figure(maps, differences_of("_$two_$"), ["A note of $5, and \u03bb."])
    critical, below = figure.axes[:2], figure.axes[2:]
    assert [axes.get_title() for axes in critical] == ["Compression ratio 0.1", "Compression ratio 0.2"]
    for axes, part in zip(critical, result["ratios"], strict=True):
        for marker in ("o", "s"):
            drawn_at = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == marker]
            assert drawn_at == [block["lambda_c"] for block in part["blocks"]]
    for axes in below:
        heights = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "s"]
        np.testing.assert_allclose(heights, [100 * np.expm1(0.02)] * len(CURVES))  # of the device as calibrated
        assert not [line for line in axes.lines if line.get_marker() == "o"]  # what it is compared with
    assert below[0].get_ylabel() == "Perplexity at λ = 1\nagainst one (%)"
    assert below[0].get_xlabel() == "Block dimension d"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.strip().replace("\\$", "$") for text in legend] == ["one", "_$two_$"]
    assert "95 % intervals" in " ".join(text.get_text() for text in figure.texts)


def test_importing_the_modules_loads_no_plotting_library():
    code = "import sys, cayley_adapters.report.drawing as _; "
    code += "print({'matplotlib', 'altair', 'vl_convert'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_refined_noise_scales_have_no_column(drawn):
    cells, _, result = drawn
    extra = cells[cells["noise_scale"] == 0.3].head(1).assign(noise_scale=0.44)
    table = cell_table(pd.concat([cells, extra], ignore_index=True), result)
    assert 0.44 not in set(table["noise_scale"])
    assert set(table["noise_scale"]) == set(cell_table(cells, result)["noise_scale"])
