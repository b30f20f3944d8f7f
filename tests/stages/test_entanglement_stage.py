"""Tables and picture of the entanglement stage, from adapters that PEFT has written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from peft import get_peft_model

from cayley_adapters import CayleyConfig, cayley
from cayley_adapters.analysis.entanglement import (
    DIFFERENCE_COLUMNS,
    ENTANGLEMENT_COLUMNS,
    against_random,
    projection_rows,
)
from cayley_adapters.circuits.entanglement import distance_from_identity, operator_entropy, schmidt_spectrum
from cayley_adapters.core.tables import read_table
from cayley_adapters.models.base import load_model
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.report.plots.entanglement import entanglement_figure
from cayley_adapters.report.plots.files import save_figure
from cayley_adapters.settings import compose

COMMON = ["sweep.compression_ratio=0.2,0.3", "track.mode=disabled"]
OVERRIDES = [*COMMON, "sweep.block_dim=2,4,8", "sweep.seed=0,1"]
KEYS = ["compression_ratio", "block_dim", "seed", "layer", "projection", "bipartition", "kind"]


def save_adapters(job, tiny_folder, scale, **options):
    """An adapter for each of the job's cells, with random parameters; returns their parameters by path."""
    found = {}
    for index, path in enumerate(job.inputs["adapter"]):
        d = int(path.parent.parent.name.removeprefix("d"))
        config = CayleyConfig(block_dim=d, target_modules=["v_proj", "o_proj"], **options)
        model = get_peft_model(load_model(tiny_folder), config)
        generator = torch.Generator().manual_seed(index)
        with torch.no_grad():
            for name, theta in model.named_parameters():
                if "cayley_theta" in name:
                    theta.copy_(scale * torch.randn(theta.shape, generator=generator))
                    found[path, name] = theta.detach().double()
        model.save_pretrained(path.parent)
    return found


def run_stage(tmp_path, monkeypatch, tiny_folder, scale, overrides=OVERRIDES, **options):
    """The stage's job once it has run, and the parameters of its adapters."""
    monkeypatch.chdir(tmp_path)
    (job,) = jobs(compose("ci", overrides), "entanglement")
    thetas = save_adapters(job, tiny_folder, scale, **options)
    run_job(job)
    return job, thetas


@pytest.fixture
def ran(tmp_path, monkeypatch, tiny_folder):
    return run_stage(tmp_path, monkeypatch, tiny_folder, 0.2)


def test_tables_say_what_the_blocks_are(ran):
    job, thetas = ran
    table = read_table(job.outputs["table"])
    assert list(table.columns) == ENTANGLEMENT_COLUMNS
    assert not table.duplicated(KEYS).any()
    # 2 ratios, seeds, layers, projections and kinds; d = 8 has three bipartitions and their mean, d = 4 one and it.
    assert len(table) == 32 * (1 + 2 + 4)
    assert table.groupby("block_dim")["blocks"].unique().map(list).to_dict() == {2: [16], 4: [8], 8: [4]}
    path = next(path for path in job.inputs["adapter"] if path.parent.parts[-3:] == ("ratio0.3", "d8", "seed1"))
    q = cayley(thetas[path, "base_model.model.model.layers.1.self_attn.v_proj.cayley_theta.default"]).numpy()
    rows = table.query("compression_ratio == 0.3 and block_dim == 8 and seed == 1 and layer == 1")
    rows = rows[rows["projection"] == "v_proj"].set_index(["kind", "bipartition"])
    entropies = {f"q{qubit}": operator_entropy(schmidt_spectrum(q, (qubit,))) for qubit in range(3)}
    for name, values in entropies.items():
        row = rows.loc[("trained", name)]
        assert row.entropy_mean == pytest.approx(values.mean(), rel=1e-6)
        assert row.entropy_se == pytest.approx(values.std(ddof=1) / 2, rel=1e-6)
        assert [row.entropy_q05, row.entropy_q95] == pytest.approx(np.quantile(values, [0.05, 0.95]), rel=1e-6)
        assert row.max_entropy == 2
        assert np.isnan(row.distance_mean)
    means = np.mean(list(entropies.values()), axis=0)
    whole = rows.loc[("trained", "all")]
    assert [whole.entropy_mean, whole.entropy_se] == pytest.approx([means.mean(), means.std(ddof=1) / 2], rel=1e-6)
    assert whole.distance_mean == pytest.approx(distance_from_identity(q).mean(), rel=1e-6)
    # The control has the same norm, so about the same distance, and another direction.
    assert rows.loc[("random", "all")].distance_mean == pytest.approx(whole.distance_mean, rel=0.1)
    assert rows.loc[("random", "all")].entropy_mean != pytest.approx(whole.entropy_mean, rel=1e-3)
    single = table[table["block_dim"] == 2]
    assert set(single["bipartition"]) == {"all"}
    assert single["entropy_mean"].isna().all()
    assert (single["distance_mean"] > 0).all()


def test_differences_pool_layers_and_seeds(ran):
    job, _ = ran
    table, differences = read_table(job.outputs["table"]), read_table(job.outputs["differences"])
    assert list(differences.columns) == DIFFERENCE_COLUMNS
    assert set(differences["projection"]) == {"v_proj", "o_proj", "all"}
    row = differences.query(
        "compression_ratio == 0.2 and block_dim == 4 and projection == 'all' and bipartition == 'q0' "
        "and measure == 'entangling_power'"
    ).squeeze()
    mine = table.query("compression_ratio == 0.2 and block_dim == 4 and bipartition == 'q0'")
    means = mine.groupby("kind")["entangling_power_mean"].mean()
    assert [row.trained, row.random] == pytest.approx([means["trained"], means["random"]], rel=1e-5)
    assert row.difference == pytest.approx(means["trained"] - means["random"], abs=1e-6)
    assert row.ratio == pytest.approx(means["trained"] / means["random"], rel=1e-5)
    assert row.difference_ci95_low <= row.difference <= row.difference_ci95_high
    assert [row.seeds, row.layers, row.blocks] == [2, 2, 2 * 2 * 2 * 8]


def test_same_bytes_again_and_a_further_cell_changes_no_other(ran, tiny_folder):
    job, _ = ran
    before = {name: path.read_bytes() for name, path in job.outputs.items()}
    run_job(job)
    assert {name: path.read_bytes() for name, path in job.outputs.items()} == before
    table = read_table(job.outputs["table"])
    (fewer,) = jobs(compose("ci", [*COMMON, "sweep.block_dim=8", "sweep.seed=1"]), "entanglement")
    run_job(fewer)
    kept = table.query("block_dim == 8 and seed == 1").reset_index(drop=True)
    pd.testing.assert_frame_equal(read_table(fewer.outputs["table"]), kept)


def test_blocks_at_the_identity_have_none(tmp_path, monkeypatch, tiny_folder):
    job, _ = run_stage(tmp_path, monkeypatch, tiny_folder, 0.0)
    table = read_table(job.outputs["table"])
    for measure in ("entropy", "linear_entropy", "entangling_power", "distance"):
        assert table[f"{measure}_mean"].abs().max() < 1e-12
    assert (table["effective_bond_dimension_mean"].dropna() - 1).abs().max() < 1e-6
    distances = read_table(job.outputs["differences"]).query("measure == 'distance'")
    assert (distances["difference"] == 0).all()
    assert distances["ratio"].isna().all()
    assert job.outputs["entanglement_png"].stat().st_size > 10_000


def test_a_brickwork_and_one_qubit_alone(tmp_path, monkeypatch, tiny_folder):
    brickwork = {"ansatz": "brickwork", "brickwork_depth": 1}
    job, _ = run_stage(tmp_path, monkeypatch, tiny_folder, 0.3, [*COMMON, "sweep.block_dim=8"], **brickwork)
    # A brickwork of depth 1 on three qubits is one gate, on qubits 0 and 1: qubit 2 is by itself, in the control too.
    table = read_table(job.outputs["table"])
    assert table[table["bipartition"] == "q2"]["entropy_mean"].max() < 1e-12
    assert table[table["bipartition"] == "q0"]["entropy_mean"].min() > 1e-4
    (alone,) = jobs(compose("ci", [*COMMON, "sweep.block_dim=2"]), "entanglement")
    save_adapters(alone, tiny_folder, 0.3)
    run_job(alone)
    assert set(read_table(alone.outputs["differences"])["measure"]) == {"distance"}
    assert alone.outputs["entanglement_svg"].stat().st_size > 10_000


def made(layers, factor, generator, blocks=40, projection="v_proj"):
    """A table of trained blocks whose parameters are ``factor`` times those of the random ones, up to a layer's own."""
    rows = []
    for layer in range(layers):
        own = np.exp(generator.normal(0, 0.2))
        theta = {kind: torch.from_numpy(generator.normal(0, 0.1, (blocks, 6))) for kind in ("trained", "random")}
        theta["trained"] *= factor
        q = {kind: cayley(own * values).numpy() for kind, values in theta.items()}
        cell = {"compression_ratio": 0.2, "block_dim": 4, "seed": 0, "layer": layer, "projection": projection}
        rows += [cell | row for row in projection_rows(q)]
    return pd.DataFrame(rows, columns=ENTANGLEMENT_COLUMNS)


def entropy_row(table, **options):
    return against_random(table, **options).query("measure == 'entropy' and bipartition == 'all'").iloc[0]


def test_intervals_tell_more_and_less_entangling_blocks_from_equal_ones():
    generator = np.random.default_rng(0)
    more, less = (entropy_row(made(20, factor, generator)) for factor in (1.2, 0.8))
    assert 1 < more.ratio_ci95_low < more.ratio < more.ratio_ci95_high
    assert less.ratio_ci95_low < less.ratio < less.ratio_ci95_high < 1
    assert more.difference_ci95_low > 0 > less.difference_ci95_high


def test_intervals_of_equal_blocks_cover_one():
    """Of 95 % intervals, 95 in 100 hold the truth, within chance and what 20 layers allow."""
    generator = np.random.default_rng(1)
    rows = [entropy_row(made(20, 1.0, generator, blocks=10), replicates=400) for _ in range(120)]
    inside = [row.ratio_ci95_low <= 1 <= row.ratio_ci95_high for row in rows]
    assert 0.86 <= np.mean(inside) <= 0.99


def test_one_layer_has_no_interval():
    row = entropy_row(made(1, 1.0, np.random.default_rng(2)))
    assert row.ratio > 0
    assert np.isnan([row.ratio_ci95_low, row.difference_ci95_high]).all()


def test_the_picture_shows_every_projection_and_dimension(tmp_path):
    generator = np.random.default_rng(3)
    parts = [made(5, 1.0, generator, projection=name) for name in ("down_proj", "q_proj")]
    table = pd.concat(parts, ignore_index=True)
    single = table[table["bipartition"] == "all"].assign(block_dim=2, entropy_mean=np.nan)
    table = pd.concat([table, single, table.assign(compression_ratio=0.3)], ignore_index=True)
    differences = against_random(table)
    figure = entanglement_figure(table, differences, "a model", "full")
    panels = figure.axes
    assert len(panels) == 4  # two projections; d = 4, and the distances
    assert {axes.get_title("left") for axes in panels} >= {"d = 4 (2 qubits)", "Distance ‖Q − I‖$_F$/√d"}
    assert [axes.get_ylabel() for axes in panels if axes.get_ylabel()] == [
        "q_proj\nEntropy (bits)",
        "down_proj\nEntropy (bits)",
    ]
    assert [axes.get_xlabel() for axes in panels].count("Decoder layer") == 2
    answer = differences.query("measure == 'entropy' and bipartition == 'all' and projection == 'q_proj'").iloc[0]
    assert (
        f"{answer.ratio:.3f} ({answer.ratio_ci95_low:.3f}–{answer.ratio_ci95_high:.3f})"
        in panels[0].texts[0].get_text()
    )
    lines = panels[0].get_lines()
    trained = table.query("projection == 'q_proj' and kind == 'trained' and bipartition == 'all' and block_dim == 4")
    np.testing.assert_allclose(lines[-1].get_ydata(), trained[trained["compression_ratio"] == 0.2]["entropy_mean"])
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 3  # told apart without colour
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"trained", "random of the same norm", "d = 2", "d = 4"}
    caption = " ".join(figure.texts[-1].get_text().split())
    assert "Compression ratio 0.2; ansatz full; blocks: 400 of d = 2, 400 of d = 4; one seed." in caption
    assert caption.endswith("Compression ratio 0.3: in entanglement.csv.")
    for name in ("a", "b"):
        save_figure(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
