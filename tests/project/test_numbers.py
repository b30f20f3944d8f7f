"""The numbers of README and docs are those of the tables under docs/data, and their blocks say what tables say."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.recovery import recovery_tables
from cayley_adapters.analysis.transition import transition
from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS, TRIAL_COLUMNS, write_table
from cayley_adapters.questions.benchmarks.tables import BENCHMARK_COLUMNS

ROOT = Path(__file__).parents[2]
DOCUMENTS = np.repeat(np.arange(10), 20)
LEVELS = {0.0: 2.8, 0.2: 3.4}
GAINS = {2: 0.2, 4: 0.24, 8: 0.26}


@pytest.fixture(scope="module")
def numbers() -> ModuleType:
    return load("write_numbers")


def load(name: str) -> ModuleType:
    """A script of docs, which imports what lies beside it."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def losses(mean: float) -> np.ndarray:
    """Of every token: documents differ, and all models find the same ones hard."""
    spread = np.random.default_rng(0).normal(0, 0.3, 10)[DOCUMENTS]
    return mean + spread - spread.mean()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder like docs/data with the tables of a run that the library's own analysis made of invented losses."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "quickstart").mkdir()
    fixed = {
        "model": "smollm2_135m",
        "compression": "whitened_svd",
        "ansatz": "full",
        "tokens": len(DOCUMENTS),
        "nll_se": 0.1,
    }
    fixed |= {"mitigation": "none", "seed": 0}
    rows, means = [], []
    for (ratio, level), (d, gain) in itertools.product(LEVELS.items(), GAINS.items()):
        gain = gain if ratio else gain / 4
        arms = [(0.0, math.inf, "signed", "exact", level - gain - 0.01)]
        scales = (0.0, 0.3, 1.0, 3.0, 10.0) if ratio else (0.0,)
        arms += [(scale, 8192.0, "sign_constrained", "noisy", level - gain + 0.05 * scale * d / 2) for scale in scales]
        for scale, shots, readout, executor, nll in arms:
            row = fixed | {
                "compression_ratio": ratio,
                "block_dim": d,
                "qubits": d.bit_length() - 1,
                "noise_scale": scale,
            }
            row |= {"shots": shots, "readout": readout, "executor": executor, "nll": nll, "perplexity": math.exp(nll)}
            row |= {"adapter_parameters": 1000 * d, "two_qubit_gates": 3.0, "targets": "v_proj o_proj"}
            rows.append(row | ({"backend": "FakeFez", "layout": "median"} if executor == "noisy" else {}))
            means.append(nll)
    cells = pd.DataFrame(rows, columns=CELL_COLUMNS)
    each = np.stack([losses(mean) for mean in means])
    compressed = {ratio: losses(level) for ratio, level in LEVELS.items()}
    made = transition(cells, each, DOCUMENTS, compressed, nll_uncompressed=2.8, executor="noisy", bootstrap=200)
    silent = (cells["noise_scale"] == 0).to_numpy()
    adapters = cells[silent][["compression_ratio", "readout", "block_dim", "adapter_parameters", "seed"]]
    adapters = adapters.assign(method="cayley", block_dim=adapters["block_dim"].astype(float))
    lora = {"method": "lora", "readout": "signed", "block_dim": 4.0, "adapter_parameters": 5000, "seed": 0}
    adapters = pd.concat([adapters, pd.DataFrame([lora | {"compression_ratio": ratio} for ratio in LEVELS])])
    all_losses = np.concatenate([each[silent], [losses(2.7), losses(3.1)]])
    recovered, differences = recovery_tables(adapters, all_losses, DOCUMENTS, losses(2.8), compressed, replicates=200)
    references = [("uncompressed", 0.0, 2.8), ("compressed", 0.2, 3.4)]
    baselines = [fixed | {"method": m, "compression_ratio": r, "nll": nll, "perplexity": math.exp(nll)}
                 | {"adapter_parameters": 0} for m, r, nll in references]  # fmt: skip
    rates = [0.01, 0.04, 0.12]
    trials = [{"compression_ratio": 0.2, "method": "cayley", "block_dim": 4, "learning_rate": rate, "steps": 12,
               "validation": 3 + rate, "chosen": rate == 0.01, "at_end": rate == 0.01} for rate in rates]  # fmt: skip
    out = folder / "quickstart"
    write_table(cells, out / "phase_diagram.csv", CELL_COLUMNS)
    write_table(baselines, out / "baselines.csv", BASELINE_COLUMNS)
    write_table(trials, out / "learning_rates.csv", TRIAL_COLUMNS)
    recovered.to_csv(out / "recovery.csv", index=False)
    differences.to_csv(out / "recovery_differences.csv", index=False)
    (out / "transition.json").write_text(json.dumps(made))
    machine = {"processor": "Some(R) Core Processor 6 1", "instructions": "avx2 fma avx512f"}
    (out / "provenance.json").write_text(json.dumps({"environments": {"a": machine}}))
    asked = {"task": "sums_of_two", "metric": "exact_match", "filter": "a"}
    compared = asked | {"first": "plain", "second": "blocks", "difference": -0.1, "p_holm": 0.01, "comparisons": 1}
    asked |= {"model": "smollm2_135m", "executor": "exact", "documents": 500}
    asked |= {"value_ci95_low": 0.1, "value_ci95_high": 0.3}
    panel = [
        asked | {"arm": "plain", "method": "uncompressed", "compression_ratio": 0.0, "value": 0.2},
        asked | {"arm": "blocks", "method": "cayley", "compression_ratio": 0.2, "block_dim": 4, "value": 0.1},
    ]
    write_table(panel, out / "benchmarks.csv", BENCHMARK_COLUMNS)
    pd.DataFrame([compared]).to_csv(out / "benchmark_comparisons.csv", index=False)
    (out / "questions.csv").write_text(
        "arm,questions,correct\nuncompressed,1000,678\nblocks_exact,1000,499\nlora,1000,497\n"
    )
    (out / "question_comparisons.csv").write_text(
        "first,second,only_first,only_second,mcnemar_p_holm\ncompressed,blocks_exact,54,32,0.044\n"
    )
    columns = ["job", "started", "seconds", "cpu_seconds", "memory_mb"]
    pd.DataFrame(
        [
            ["prepare", 0.0, 100.0, 90.0, 900],
            ["ask_benchmarks", 100.0, 40.0, 50.0, 1600],
            ["report", 9000.0, 400.0, 400.0, 900],
        ],
        columns=columns,
    ).to_csv(out / "jobs.csv", index=False)
    return folder


def block(name: str) -> str:
    return f"before\n<!-- numbers: {name} -->\nwhat was there\n<!-- end of numbers -->\nafter\n"


def test_running_it_changes_nothing(numbers: ModuleType) -> None:
    """Else type: python docs/write_numbers.py."""
    for path in numbers.pages():
        text = path.read_text(encoding="utf-8")
        assert numbers.fill(text)[0] == text, path


def test_every_block_is_shown_on_some_page(numbers: ModuleType) -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in numbers.pages())
    assert [name for name in numbers.BLOCKS if f"<!-- numbers: {name} -->" not in shown] == []


@pytest.mark.parametrize(
    ("name", "fragments"),
    [
        (
            "caption",
            ["SmolLM2-135M, compressed by 20 %", "d = 2, 4 and 8", "`v_proj` and `o_proj`", "8,192", "FakeFez"],
        ),
        (
            "findings",
            [
                "1. **Without noise larger blocks gain more**: d = 2, 4 and 8 bring perplexity from 30.0 to 24.5, 23.6",
                "2. **Noise eats the gain of larger blocks first**, at λ_c – d = 2: 4.00 (",
                "3. **On the device as calibrated (λ = 1) blocks of d = 2, 4 and 8 help**: perplexity 25.8",
                "4. **Less than half of the gain is adaptation to the text**: blocks d = 4 gain 0.240 nats a token",
                "5. **LoRA does better than blocks in exact arithmetic**: perplexity 22.2 with 5,000 parameters",
                "10 test documents (200 tokens)",
                "with one training seed, its spread is not known",
            ],
        ),
        (
            "claims",
            [
                "yes, exact: 24.3, 23.3 and 22.9",
                "λ_c = 4.00, 2.40 and 1.30",
                "| the paper says | here | command |",
                "right of 1,000: uncompressed 678, blocks exact 499, LoRA 497; against compressed, exact blocks win 32",
            ],
        ),
        ("default_run", ["| 0.2 (30.0) | 4 | 4,000 | 3 | 23.3 | 23.6 |", "| 0 (16.4) | 2 | 2,000 |"]),
        (
            "gains",
            [
                "| 0.2 | blocks d = 4 | signed | 4,000 | 23.3 | 0.250 |",
                "| 0.2 | LoRA, as large as d = 4 | signed | 5,000 |",
            ],
        ),
        (
            "differences",
            [
                "| 0.2 | blocks d = 4, signed | LoRA, as large as d = 4 |",
                "| 0.2 | blocks d = 8, signed | blocks d = 4 | −0.0200 |",
            ],
        ),
        (
            "how_long",
            ["map took 2 minutes, the report 7 more, 9 of processor", "1.6 GB a job", "(Some(R) Core, AVX-512)"],
        ),
        (
            "panel",
            ["| `sums_of_two`: exact match of 500 |", "| ratio 0.2, blocks d = 4, exact | 0.100 (0.100 to 0.300) |"],
        ),
        (
            "panel_differences",
            ["| ratio 0.2, blocks d = 4, exact against uncompressed | – | `sums_of_two` −0.10 | – |", "1 comparison"],
        ),
        ("step_sizes", ["| 0.2 | blocks d = 4 | **0.01: 3.0100**, 0.04: 3.0400, 0.12: 3.1200 | yes |"]),
    ],
)
def test_a_block_says_what_the_tables_say(name: str, fragments: list[str], numbers: ModuleType, data: Path) -> None:
    text, left = numbers.fill(block(name), data)
    assert left == {}
    assert text.startswith(f"before\n<!-- numbers: {name} -->\n")
    assert text.endswith("`docs/data/quickstart`, `experiment=quickstart`.\n<!-- end of numbers -->\nafter\n")
    assert [fragment for fragment in fragments if fragment not in text] == [], text
    assert not re.search(r"\bnan\b", text, re.I)
    assert numbers.fill(text, data) == (text, {})


def test_claims_take_what_other_experiments_say(numbers: ModuleType, data: Path, tmp_path: Path) -> None:
    for name in ("quickstart", "one_projection"):
        (tmp_path / name).mkdir()
        for path in (data / "quickstart").iterdir():
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    text, left = numbers.fill(block("claims"), tmp_path)
    assert left == {}
    assert "SmolLM2-135M: 16.44 to 15.33 (`docs/data/one_projection`)" in text


def test_headlines_follow_the_numbers(numbers: ModuleType, data: Path, tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    for path in (data / "quickstart").iterdir():
        (tmp_path / "quickstart" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "quickstart" / "phase_diagram.csv"
    cells = pd.read_csv(path)
    cells.loc[cells["block_dim"] == 8, "nll"] += 0.5
    write_table(cells, path, CELL_COLUMNS)
    path = tmp_path / "quickstart" / "transition.json"
    result = json.loads(path.read_text())
    ends = {2: [-0.2, -0.1], 4: [-0.1, 0.1], 8: [0.1, 0.2]}
    for row in result["ratios"][-1]["recovery_nll"]:
        row["nll_difference_ci95"] = ends[row["block_dim"]]
    path.write_text(json.dumps(result))
    path = tmp_path / "quickstart" / "recovery_differences.csv"
    table = pd.read_csv(path)
    table.loc[table["block_dim"] == 8, "p_holm"] = 0.2
    table.to_csv(path, index=False)
    text, _ = numbers.fill(block("findings"), tmp_path)
    assert "**Without noise larger blocks do not always gain more**" in text
    assert "; d = 8 cannot be told from 4 (p = 0.2, Holm)." in text
    assert "d = 4 cannot be told" not in text
    assert "(λ = 1) blocks of d = 2 help, of d = 8 harm and of d = 4 do neither that can be told**" in text


def test_a_block_without_its_files_stays_and_says_so(numbers: ModuleType, data: Path, tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    for name in ("phase_diagram.csv", "transition.json"):
        (tmp_path / "quickstart" / name).write_bytes((data / "quickstart" / name).read_bytes())
    text, left = numbers.fill(block("caption") + block("step_sizes"), tmp_path)
    assert text.count("what was there") == 1
    assert left == {"step_sizes": "docs/data/quickstart/learning_rates.csv is missing"}


def test_what_a_run_took_is_kept_in_the_order_in_which_it_began(tmp_path: Path) -> None:
    keep_run = load("keep_run")
    (tmp_path / "logs").mkdir()
    for name, started in (("b", 1000.0), ("a", 1030.5)):
        record = {"stage": "train", "started": started, "seconds": 2.0, "cpu_seconds": 1.5, "memory_mb": 700}
        (tmp_path / "logs" / f"{name}.json").write_text(json.dumps(record))
    (tmp_path / "logs" / "c.json").symlink_to("what has not run yet")
    table = keep_run.jobs(tmp_path)
    assert table[["job", "started"]].values.tolist() == [["b", 0.0], ["a", 30.5]]
    assert list(table) == ["job", "started", "seconds", "cpu_seconds", "memory_mb"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (block("gain"), "no numbers are called gain; there are caption, claims"),
        ("<!-- numbers: gains -->\n| 1 |\n", "needs its <!-- end of numbers -->"),
        ("| 1 |\n<!-- end of numbers -->\n", "needs its <!-- end of numbers -->"),
    ],
)
def test_a_block_that_is_none_is_refused(text: str, message: str, numbers: ModuleType) -> None:
    with pytest.raises(ValueError, match=message):
        numbers.fill(text)


def test_readme_is_one_page_with_all_its_numbers(numbers: ModuleType, data: Path) -> None:
    text, _ = numbers.fill((ROOT / "README.md").read_text(encoding="utf-8"), data)
    assert "critical noise" in text
    assert len(text.split()) <= 1200
