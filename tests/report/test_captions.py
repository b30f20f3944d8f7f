"""What the report's words say, against the configuration and the tables it was given."""

from __future__ import annotations

import html
import json
import re

import pandas as pd
import pytest
from synthetic import VARIED, Parsed, evidence_of

from cayley_adapters.core.registry import load
from cayley_adapters.report.contents import SECTIONS
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.page import calibration_date, render_report
from cayley_adapters.report.page.headline import headline, limits, verdict, verdicts
from cayley_adapters.report.page.methods import REFERENCES, methods
from cayley_adapters.report.page.page import _cite
from cayley_adapters.report.page.provenance import environment
from cayley_adapters.report.page.summary import summary
from cayley_adapters.report.words import interval, significant


def caption(name: str, evidence: Evidence) -> list[str]:
    """What the report says at the head of a section."""
    return load(SECTIONS[name].caption)(evidence)


def numbers(text: str) -> set[float]:
    return {float(found.replace(",", "")) for found in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text)}


@pytest.mark.parametrize("overrides", [(), VARIED])
def test_captions_state_the_configuration_and_no_other_number(overrides):
    evidence = evidence_of(*overrides, files={"circuits.csv": b"compression_ratio,cz\n0.2,3\n0.3,4\n"})
    settings = evidence.settings
    sweep, train = settings.sweep, settings.train
    name = model_title(settings.model.name)
    own = [section for section in SECTIONS if section not in ("levers", "processor")]
    text = {section: " ".join(caption(section, evidence)).replace(name, "the model") for section in own}
    axes = {*sweep.block_dim, *sweep.noise_scale, *sweep.compression_ratio}
    counts = {*map(float, settings.evaluate.shots), *sweep.seed, *(train.layers or ()), 240, 8}
    counts |= {settings.data.window}
    assert axes | counts <= numbers(text["phase-diagram"])
    assert numbers(text["phase-diagram"]) <= axes | counts | {0, 1, 95}
    steps = {train.steps, train.batch_windows * settings.data.window, *settings.control.block_dims}
    said = evidence.tables["recovery.csv"]
    best = {float(significant(value).replace(",", "")) for value in said["perplexity"]} | set(
        said["adapter_parameters"]
    )
    best |= {round(value, 3) for value in said["recovery"]}
    assert steps <= numbers(text["recovery"])
    pairs = len(evidence.tables["recovery_differences.csv"])
    assert numbers(text["recovery"]) <= axes | counts | steps | best | {0, 95, pairs}
    assert numbers(text["noise-budget"]) == {settings.transpile.compared_blocks, 1, 3}  # optimisation level 3, λ = 1
    for name in (*train.targets, settings.noise.backend, settings.compress.method):
        assert name in text["phase-diagram"]
    assert ("with idle noise" in text["phase-diagram"]) == settings.noise.idle
    assert "1,000 paired bootstrap" not in text["transition"]
    assert "200 paired bootstrap replicates over 8 test documents" in text["transition"]


@pytest.mark.parametrize(
    ("censored", "critical", "ci95", "axis", "expected"),
    [
        (None, 1.2, [1.05, 1.4], [0, 0.1, 1, 3], "helps"),
        (None, 1.2, [0.9, 1.4], [0, 0.1, 1, 3], "undecided"),
        (None, 0.4, [0.3, 0.5], [0, 0.1, 1, 3], "harms"),
        (None, 0.9, [0.7, 1.1], [0, 0.1, 1, 3], "undecided"),
        (None, 0.0, [0.0, 0.0], [0, 1], "harms"),
        ("above", 3.0, [3.0, None], [0, 1, 3], "helps"),
        ("above", 0.3, [0.3, None], [0, 0.1, 0.3], "not measured"),
        ("above", 1.0, [1.0, None], [0, 0.1, 1], "helps"),
        ("above", 1.0, [0.8, None], [0, 0.1, 1], "undecided"),
        ("below", 1.0, [0.0, 1.0], [0, 1, 3], "harms"),
        ("below", 2.0, [0.0, 2.0], [0, 2, 3], "not measured"),
        ("below", 1.0, [0.0, 1.0], [0, 1], "harms"),
        ("below", 1.0, [0.0, None], [0, 1], "undecided"),
        (None, 1.2, [None, None], [0, 1, 3], "helps"),
        ("above", 0.0, [0.0, 0.0], [0], "not measured"),
    ],
)
def test_verdicts(censored, critical, ci95, axis, expected):
    assert verdict({"censored": censored, "lambda_c": critical, "ci95": ci95}, axis) == expected


def test_the_headline_is_that_of_the_tables(made):
    text, table = headline(made), verdicts(made)
    assert len(table) == 6
    for ratio in (0.2, 0.3):
        assert f"{significant(made.perplexity('compressed', ratio))} at ratio {ratio}" in text
    for part in made.transition["ratios"]:
        for block in part["blocks"]:
            assert f"{significant(block['lambda_c'])} ({interval(*block['ci95'])})" in text
    here = made.cells.query("executor == 'noisy' and noise_scale == 1 and compression_ratio == 0.3 and block_dim == 4")
    row = table.query("compression_ratio == 0.3 and block_dim == 4").iloc[0]
    assert row.perplexity_device == pytest.approx(here.perplexity.iloc[0])
    helps = made.map.query("noise_scale == 1").assign(level=lambda cells: cells.compression_ratio * 3 + 2.9)
    assert (table.at_device == "helps").tolist() == (helps.nll < helps.level).tolist()
    assert "LoRA with" in text
    assert "4,321 parameters" in text
    assert "over 8 test documents" in limits(made)


def test_a_run_without_noise_has_no_critical_noise():
    evidence = evidence_of("sweep.noise_scale=0", "transpile.synthesis=none", "evaluate.shots=[inf]", "sweep.seed=0,1")
    text = headline(evidence)
    assert "no λ_c" in text
    assert "FakeFez" not in text + limits(evidence) + methods(evidence, None)
    assert "2 seeds" in limits(evidence)
    assert calibration_date(evidence) is None
    assert "Device" not in environment(evidence, None)
    assert "<h2>Phase diagram</h2>" in render_report(evidence, None)


@pytest.mark.parametrize(
    ("experiment", "overrides", "words"),
    [
        ("ci", (), "its numbers mean nothing"),
        ("paper_llama31_8b", ("model=smollm2_135m",), "nothing was compressed"),
        ("recovery_small", (), "blocks of d = 2, 4, 8 and 32"),
        ("paper_smollm2", (), "8 test documents and 3 seeds"),
    ],
)
def test_every_preset_has_a_report(experiment, overrides, words):
    page = render_report(evidence_of(*overrides, experiment=experiment), None)
    assert words in page
    assert not re.search(r"\bnan\b|\bNone\b", "".join(Parsed(page).text))


@pytest.mark.parametrize(
    ("overrides", "cited", "words"),
    [
        ((), {"paper", "smollm2", "svd_llm", "adam", "distillation", "peft", "lora", "qiskit", "aer"}, "64 windows"),
        (("compress=mpo",), {"paper", "compactifai", "als"}, "matrix product operators"),
        (("compress=mpo_plain",), {"paper", "compactifai", "tensorly"}, "matrix product operators"),
        (("train.distillation=0", "control=none"), {"paper", "adam"}, "on next-token cross-entropy, readout"),
        (("evaluate.readout=characterised", "evaluate.mitigation=readout"), {"paper"}, "mitigation readout"),
        (("data=wikitext2",), {"paper", "wikitext"}, "Salesforce/wikitext"),
    ],
)
def test_methods_cite_what_was_used(overrides, cited, words):
    text = methods(evidence_of(*overrides), "2025-02-26")
    pieces, keys = _cite(text)
    assert keys[0] == "paper"
    assert cited <= set(keys) <= set(REFERENCES)
    assert ("lora" in keys) == ("control=none" not in overrides)
    assert ("distillation" in keys) == ("train.distillation=0" not in overrides)
    assert words in "".join(piece for piece, _ in pieces)
    assert "{" not in "".join(piece for piece, _ in pieces)
    assert "calibrated on 2025-02-26" in text
    assert REFERENCES["paper"][1] == "https://arxiv.org/abs/2605.05914"


def test_a_processors_section_states_what_was_measured():
    plain = evidence_of()
    row = plain.cells.iloc[[0]].assign(
        executor="qpu",
        block_dim=4,
        layers="15",
        targets="o_proj",
        layout="0 1; 4 5",
        compression_ratio=0.2,
        nll_compressed=3.3,
    )
    arms = ["uncompressed", "without_blocks", "exact", "simulated", "qpu"]
    table = pd.DataFrame({"arm": arms, "perplexity": [15.1, 28.4, 27.0, 27.6, 27.5], "shots": 8192, "tokens": 83})
    table = table.assign(chi_square=35804.2, degrees=35856, p_value=0.58)
    files = {
        "inference.csv": table.to_csv(index=False).encode(),
        "phase_diagram.csv": pd.concat([plain.cells, row]).to_csv(index=False).encode(),
    }
    evidence = evidence_of("qpu.quality=0.8", files=files)
    text = " ".join(caption("processor", evidence))
    for words in (
        "d = 4 on o_proj of layer 15 at compression ratio 0.2, run on FakeFez through the offline twin",
        "2 lines of qubits at once (spacing dense, quality 0.8), 8,192 shots",
        "83 scored tokens",
        "Perplexity 27.50 as measured, 27.60 as the simulator predicts",
        "28.40 without blocks and 15.10 uncompressed",
        "χ² = 35,804 for 35,856 degrees of freedom, p = 0.58",
    ):
        assert words in text
    assert ["A star" in " ".join(caption("phase-diagram", run)) for run in (evidence, plain)] == [True, False]
    assert 'href="#processor"' in render_report(evidence, "2025-02-26")
    assert 'href="#processor"' not in render_report(plain, "2025-02-26")


def test_the_levers_caption_says_what_of_the_goal_is_reached():
    goal = {"block_dim": 8, "noise_scale": 2.0, "lever": "characterised", "perplexity": 20.84, "lambda_c": 6.3}
    goal |= {"serving": "characterised", "ci95": [4.1, None], "reached": True, "certain": False}
    goal |= {"two_qubits": {"lever": "characterised", "perplexity": 21.24}, "two_qubit_error": 0.0042}
    missed = goal | {"serving": "per_token", "reached": False, "two_qubits": None, "lever": "best_qubits"}
    near, never = missed | {"two_qubit_error_needed": 0.00087}, missed | {"two_qubit_error_needed": None}
    rows = "kind,lever\nreference,plain\nreadout,characterised\ncontrol,lora\n"
    files = {"levers.csv": rows.encode(), "levers.json": json.dumps({"goals": [goal, near, never]}).encode()}
    evidence = evidence_of(files=files)
    first, reached, other, hopeless = caption("levers", evidence)
    assert "with each of 1 lever;" in first
    assert "d = 8 at λ = 2 with blocks that the device measures once: reached, but not for certain." in reached
    assert (
        "perplexity 20.8 there and λ_c = 6.30 (above 4.10); the best of two qubits, blocks measured once, 21.2"
        in reached
    )
    assert "with circuits for every token: not reached. The best, best qubits of the device," in other
    assert (
        "(above 4.10). A device of smaller errors would reach it, two-qubit gates with 0.00087 instead of 0.0042"
        in other
    )
    assert hopeless.endswith("No device with smaller errors would reach it: two qubits are better on that as well.")


def test_the_report_begins_with_three_sentences_of_the_tables(made):
    sentences = summary(made)
    assert len(sentences) == 3
    first, device, last = sentences
    assert first.startswith("SmolLM2-135M has perplexity ")
    table = verdicts(made).query("compression_ratio == 0.3")
    assert f"{significant(table['perplexity_ideal'].min())} with blocks of 3 qubits" in first
    assert device in headline(made)
    largest = table.iloc[-1]
    ends = interval(largest.lambda_c_ci95_low, largest.lambda_c_ci95_high)
    assert last.endswith(f"and at λ = {largest.lambda_c} (95 % interval {ends}) with 3 qubits.")
    assert "beyond λ = 10.0, the strongest noise measured, with 1 qubit" in last
    assert all(len(numbers(sentence)) <= 8 for sentence in sentences)
    quiet = summary(evidence_of("sweep.noise_scale=0", "transpile.synthesis=none", "evaluate.shots=[inf]"))
    assert quiet[1:] == ["No noise was evaluated: where it drowns this gain is not known."]


def test_the_picture_comes_first_and_the_long_paragraph_below_it(made, page):
    body = page.split("</header>")
    assert all(html.escape(sentence, quote=False) in body[0] for sentence in summary(made))
    assert page.index('id="chart"') < page.index('id="headline"') < page.index('<section id="recovery">')
    assert headline(made)[:60] in page.split('<section id="headline">')[1]
