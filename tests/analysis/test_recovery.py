"""Recovery tables against direct arithmetic, and the picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.recovery import DIFFERENCE_COLUMNS, RECOVERY_COLUMNS, recovery_tables
from cayley_adapters.report.plots.files import save_figure
from cayley_adapters.report.plots.recovery import recovery_figure

TOKENS, DOCUMENTS = 600, 30


@pytest.fixture(scope="module")
def made():
    """Losses of known means: uncompressed 2.8, compressed 3.2, blocks in between, d = 8 worse than d = 4."""
    generator = np.random.default_rng(0)
    documents = np.repeat(np.arange(DOCUMENTS), TOKENS // DOCUMENTS)
    shared = generator.normal(0, 0.5, DOCUMENTS)[documents] + generator.normal(0, 1, TOKENS)
    shared -= shared.mean()

    def losses(mean):
        own = generator.normal(0, 0.01, TOKENS)
        return mean + shared + own - own.mean()

    rows, all_losses = [], []
    for method, readout, d, seed, mean in (
        ("cayley", "signed", 2, 0, 3.0),
        ("cayley", "signed", 4, 0, 2.90),
        ("cayley", "signed", 4, 1, 2.94),
        ("cayley", "signed", 8, 0, 2.95),
        ("cayley", "sign_constrained", 2, 0, 3.1),
        ("cayley", "sign_constrained", 4, 0, 3.0),
        ("lora", "signed", 4, 0, 2.9),
        ("ia3", "signed", np.nan, 0, 3.05),
    ):
        rows.append(
            {
                "compression_ratio": 0.2,
                "method": method,
                "readout": readout,
                "block_dim": d,
                "adapter_parameters": 1000 if np.isnan(d) else 1000 * d,
                "seed": seed,
            }
        )
        all_losses.append(losses(mean))
    return pd.DataFrame(rows), np.stack(all_losses), documents, losses(2.8), {0.2: losses(3.2)}


def test_recovery_is_the_papers_measure_with_seeds_averaged(made):
    table, _ = recovery_tables(*made)
    assert list(table.columns) == RECOVERY_COLUMNS
    row = table.query("method == 'cayley' and readout == 'signed' and block_dim == 4").iloc[0]
    assert row.seeds == 2
    assert row.nll == pytest.approx(2.92)
    expected = (np.exp(3.2) - np.exp(2.92)) / (np.exp(3.2) - np.exp(2.8))
    assert row.recovery == pytest.approx(expected)
    assert row.recovery_ci95_low < expected < row.recovery_ci95_high
    # Paired: what documents share does not widen the interval of a share, but does that of a perplexity.
    assert row.recovery_ci95_high - row.recovery_ci95_low < 0.05
    assert row.perplexity_ci95_high - row.perplexity_ci95_low > 2
    assert table.query("method == 'ia3'").block_dim.isna().all()


def test_reversals_and_controls_are_told(made):
    _, differences = recovery_tables(*made)
    assert list(differences.columns) == DIFFERENCE_COLUMNS
    neighbours = differences.query("other_method == 'cayley' and readout == 'signed'").set_index("block_dim")
    assert neighbours.nll_difference.to_dict() == pytest.approx({4: -0.08, 8: 0.03})
    assert neighbours.reversal.to_dict() == {4: False, 8: True}
    assert neighbours.loc[8, "ci95_low"] > 0
    control = differences.query("other_method == 'lora'")
    assert control.block_dim.tolist() == [4]
    assert control.nll_difference.iloc[0] == pytest.approx(0.02)
    assert control.reversal.isna().all()


def test_an_uncompressed_model_has_nothing_to_recover(made):
    rows, losses, documents, uncompressed, _ = made
    table, _ = recovery_tables(rows.assign(compression_ratio=0.0), losses, documents, uncompressed, {0.0: uncompressed})
    assert table.recovery.isna().all()


def test_intervals_cover_the_truth():
    """Of 95 % intervals on fresh documents, 95 in 100 hold the population's recovery, within chance."""
    generator, inside = np.random.default_rng(1), 0
    truth = (np.exp(3.2) - np.exp(3.0)) / (np.exp(3.2) - np.exp(2.8))
    documents = np.repeat(np.arange(60), 10)
    for _ in range(200):
        shared = generator.normal(0, 0.3, 60)[documents]
        draw = [mean + shared + generator.normal(0, 0.1, 60)[documents] for mean in (3.0, 2.8, 3.2)]
        rows = pd.DataFrame(
            [{"compression_ratio": 0.2, "method": "cayley", "readout": "signed", "block_dim": 4.0, "seed": 0}]
        ).assign(adapter_parameters=1)
        table, _ = recovery_tables(rows, draw[0][None], documents, draw[1], {0.2: draw[2]}, replicates=400)
        inside += table.recovery_ci95_low[0] <= truth <= table.recovery_ci95_high[0]
    assert 0.90 <= inside / 200 <= 0.99


def test_the_picture_names_every_method(made, tmp_path):
    table, _ = recovery_tables(*made)
    references = pd.DataFrame([{"compression_ratio": 0.2, "compressed": np.exp(3.2), "uncompressed": np.exp(2.8)}])
    figure = recovery_figure(table, references, "a model")
    texts = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    for name in ("blocks, signed", "blocks, sign-constrained", "LoRA", "trained scale"):
        assert name in texts
    panel = figure.axes[0]
    assert panel.get_xlabel() == "Free parameters of the adapters"
    assert {text.get_text() for text in panel.texts} >= {"d = 2", "d = 4", "d = 8", "compressed: ppl 24.5"}
    for name in ("a", "b"):
        save_figure(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").stat().st_size > 10_000
