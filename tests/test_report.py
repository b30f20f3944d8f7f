"""The report: what its words, tables and links say, against the configuration and the tables it was given."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
from html.parser import HTMLParser
from importlib import metadata
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis import transition
from cayley_adapters.recovery import recovery_tables
from cayley_adapters.report import SECTIONS, Evidence, calibration_date, render_report
from cayley_adapters.report.headline import headline, limits, verdict, verdicts
from cayley_adapters.report.methods import REFERENCES, methods
from cayley_adapters.report.page import _cite
from cayley_adapters.report.provenance import PACKAGES, environment, overrides_of, public, source_hashes
from cayley_adapters.report.tables import SHOWN_ROWS, averages, table_view
from cayley_adapters.report.words import interval, listing, significant
from cayley_adapters.settings import compose

GATES = {2: 0, 4: 3, 8: 17, 16: 68}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PNG = b"\x89PNG\r\n\x1a\n"


def evidence_of(*overrides: str, experiment: str = "quickstart", files: dict[str, bytes] | None = None, **columns: str):
    """A small run of a configuration: its tables come from the library's own functions, with made-up losses."""
    [settings] = compose(experiment, list(overrides))
    rng, documents = np.random.default_rng(3), np.repeat(np.arange(8), 30)
    text = rng.normal(size=8)[documents] * 0.3 + rng.normal(size=240)

    def tokens_at(mean):
        own = rng.normal(size=8)[documents] * 0.03
        return mean + text - text.mean() + own - own.mean()

    shared = {
        "model": settings.model.name, "compression": settings.compress.method, "ansatz": settings.train.ansatz,
        "tokens": 240, "nll_se": 0.1, "backend": settings.noise.backend, "layout": "median",
        "mitigation": settings.evaluate.mitigation, "targets": " ".join(settings.train.targets), **columns,
    }  # fmt: skip
    cells, losses, shots = [], [], float(settings.evaluate.shots[0])
    compressed = {ratio: tokens_at(2.9 + 3 * ratio) for ratio in settings.sweep.compression_ratio}
    for ratio, level in compressed.items():
        for d in settings.sweep.block_dim:
            for scale in (None, *settings.sweep.noise_scale):
                mean = level.mean() - 0.3 - 0.02 * d + 0.02 * (scale or 0) * (1 + GATES.get(d, 0))
                exact = scale is None
                losses.append(tokens_at(mean))
                cells.append(shared | {
                    "compression_ratio": ratio, "block_dim": d, "qubits": int(np.log2(d)), "noise_scale": scale or 0.0,
                    "shots": np.inf if exact else shots, "readout": "signed" if exact else settings.evaluate.readout,
                    "seed": 0, "nll": losses[-1].mean(), "perplexity": np.exp(losses[-1].mean()),
                    "adapter_parameters": 1000 * d, "two_qubit_gates": GATES.get(d, np.nan),
                    "executor": "exact" if exact else settings.evaluate.executor, "recovery": 0.5,
                })  # fmt: skip
    table, uncompressed = pd.DataFrame(cells), tokens_at(2.8)
    baselines = [("uncompressed", 0.0, 0, uncompressed.mean(), np.nan)]
    baselines += [("compressed", ratio, 0, level.mean(), np.nan) for ratio, level in compressed.items()]
    baselines += [("lora", ratio, 4321, level.mean() - 0.2, 4.0) for ratio, level in compressed.items()]
    names = ["method", "compression_ratio", "adapter_parameters", "nll", "matched_block_dim"]
    known = pd.DataFrame(baselines, columns=names).assign(model=shared["model"], tokens=240)
    known["perplexity"] = np.exp(known["nll"])
    noiseless = table["noise_scale"] == 0
    recovery, differences = recovery_tables(
        table[noiseless].assign(method="cayley").astype({"block_dim": float}),
        np.array(losses)[noiseless], documents, uncompressed, compressed, replicates=50,
    )  # fmt: skip
    result = transition(
        table, np.array(losses), documents, compressed, nll_uncompressed=uncompressed.mean(), shots=shots,
        readout=settings.evaluate.readout, bootstrap=200,
    )  # fmt: skip
    tables = {
        "phase_diagram.csv": table, "baselines.csv": known, "recovery.csv": recovery,
        "recovery_differences.csv": differences,
    }  # fmt: skip
    given = {name: frame.to_csv(index=False).encode() for name, frame in tables.items()}
    given |= {"transition.json": json.dumps(result).encode(), "phase_diagram.png": PNG, "recovery.png": PNG}
    given["model.json"] = json.dumps(settings.leaf("model")).encode()
    return Evidence.from_files(settings, given | (files or {}))


class Parsed(HTMLParser):
    """Elements with their attributes, links, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.scripts: list[tuple[dict, str]] = []
        self.text: list[str] = []
        self._in = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def made() -> Evidence:
    return evidence_of()


@pytest.fixture(scope="module")
def page(made) -> str:
    return render_report(made, "2025-02-26")


def numbers(text: str) -> set[float]:
    return {float(found.replace(",", "")) for found in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text)}


VARIED = (
    "sweep.block_dim=4,16",
    "sweep.noise_scale=0,0.07,5",
    "sweep.compression_ratio=0.15",
    "sweep.seed=7",
    "train.steps=33",
    "train.batch_windows=2",
    "train.targets=[q_proj]",
    "train.layers=[11,13]",
    "evaluate.shots=[1024]",
    "control.block_dims=[16]",
    "transpile.compared_blocks=6",
    "noise=fake_kingston",
    "noise.idle=true",
)


@pytest.mark.parametrize("overrides", [(), VARIED])
def test_captions_state_the_configuration_and_no_other_number(overrides):
    evidence = evidence_of(*overrides, files={"circuits.csv": b"compression_ratio,cz\n0.2,3\n0.3,4\n"})
    settings = evidence.settings
    sweep, train = settings.sweep, settings.train
    text = {section.anchor: " ".join(section.caption(evidence)) for section in SECTIONS}
    axes = {*sweep.block_dim, *sweep.noise_scale, *sweep.compression_ratio}
    counts = {*map(float, settings.evaluate.shots), *sweep.seed, *(train.layers or ()), 240, 8}
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
    assert "200 paired bootstrap replicates over 8 documents" in text["transition"]


@pytest.mark.parametrize(
    ("censored", "critical", "ci95", "axis", "expected"),
    [
        (None, 1.2, [1.05, 1.4], [0, 0.1, 1, 3], "helps"),
        (None, 1.2, [0.9, 1.4], [0, 0.1, 1, 3], "undecided"),
        (None, 0.4, [0.3, 0.5], [0, 0.1, 1, 3], "harms"),
        (None, 0.9, [0.7, 1.1], [0, 0.1, 1, 3], "undecided"),
        (None, 0.0, [0.0, 0.0], [0, 1], "harms"),
        ("above", 3.0, [3.0, 3.0], [0, 1, 3], "helps"),
        ("above", 0.3, [0.3, 0.3], [0, 0.1, 0.3], "not measured"),
        ("above", 1.0, [1.0, 1.0], [0, 0.1, 1], "helps"),
        ("above", 1.0, [0.8, 1.0], [0, 0.1, 1], "undecided"),
        ("below", 1.0, [1.0, 1.0], [0, 1, 3], "harms"),
        ("below", 2.0, [2.0, 2.0], [0, 2, 3], "not measured"),
        ("below", 1.0, [1.0, 1.0], [0, 1], "undecided"),
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
    assert calibration_date(evidence.settings) is None
    assert "Device" not in environment(evidence, None)
    assert "<h2>Phase diagram</h2>" in render_report(evidence, None)


@pytest.mark.parametrize(
    ("experiment", "overrides", "words"),
    [
        ("ci", (), "its numbers mean nothing"),
        ("paper_llama31_8b", ("model=smollm2_135m",), "nothing was compressed"),
        ("recovery_small", (), "blocks of d = 2, 4, 8 and 32"),
        ("paper_smollm2", (), "the 3 seeds are averaged"),
    ],
)
def test_every_preset_has_a_report(experiment, overrides, words):
    page = render_report(evidence_of(*overrides, experiment=experiment), None)
    assert words in page
    assert not re.search(r"\bnan\b|\bNone\b", "".join(Parsed(page).text))


@pytest.mark.parametrize(
    ("overrides", "cited", "words"),
    [
        ((), {"paper", "smollm2", "svd_llm", "adam", "distillation", "peft", "lora", "qiskit", "aer"}, "96 windows"),
        (("compress=mpo",), {"paper", "compactifai", "tensorly"}, "matrix product operators"),
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


@pytest.mark.parametrize("overrides", [(), VARIED, ("control=none", "noise.layout=[[3,4,5],[7,8,9]]", "run=a.b-c")])
def test_the_command_gives_the_same_settings(overrides):
    [settings] = compose("quickstart", list(overrides))
    assert compose("quickstart", overrides_of(settings)) == [settings]


def test_paths_of_the_machine_are_left_out(tmp_path, made):
    for name in ("it's a train.txt", "test.txt"):
        (tmp_path / name).write_text("words")
    files = [str(tmp_path / name) for name in ("it's a train.txt", "test.txt")]
    quoted = files[0].replace("'", "\\'")
    [settings] = compose("quickstart", ["data=text", f"data.train='{quoted}'", f"data.test={files[1]}"])
    assert settings.data.train == (files[0],)
    assert compose("quickstart", overrides_of(settings)) == [settings]
    assert public(settings).data.train == (".../it's a train.txt",)
    evidence = Evidence(settings, made.files, made.tables, made.transition, made.model)
    page = render_report(evidence, None)
    assert str(tmp_path) not in page
    assert "it&#39;s a train.txt" in page
    assert socket.gethostname() not in str(environment(evidence, None))


def test_names_and_texts_cannot_break_out():
    samples = pd.DataFrame({"question": [HOSTILE, "plain"], "answer": ["1", HOSTILE]})
    evidence = evidence_of(
        files={"question_samples.csv": samples.to_csv(index=False).encode()}, model=HOSTILE, targets=HOSTILE
    )
    page = render_report(evidence, "2025-02-26")
    parsed = Parsed(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(parsed.scripts) == 3
    assert not any("alert(1)" in text for kind, text in parsed.scripts if "type" not in kind)
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert all(attributes["src"].startswith("data:") for tag, attributes in parsed.elements if tag == "img")
    assert HOSTILE in "".join(parsed.text)


def test_the_page_refers_to_nothing_but_the_literature(page):
    parsed = Parsed(page)
    cited = {address for _, address in REFERENCES.values()}
    anchors = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    for tag, attributes in parsed.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert attributes.get("src", "data:").startswith("data:")
        href = attributes.get("href", "#headline")
        assert href.startswith("data:") or href.removeprefix("#") in anchors or href in cited, href
    assert "url(" not in page.split("</style>")[0]
    assert "@import" not in page.split("</style>")[0]


def test_only_the_pages_own_scripts_may_run(page):
    parsed = Parsed(page)
    [policy] = [
        attributes["content"]
        for tag, attributes in parsed.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    # The bundle is read from the text, since a parser may take "<" in a script for an element.
    texts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert allowed == [f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in texts]
    assert len(texts) == 2
    assert json.loads(next(text for kind, text in parsed.scripts if kind.get("type") == "application/json"))["vconcat"]


def test_same_inputs_same_bytes_and_a_modest_size(made, page):
    assert render_report(made, "2025-02-26") == page
    assert 0.8e6 < len(page.encode()) < 1.5e6


def test_downloads_are_the_files(made, page):
    links = {a["download"]: a["href"] for tag, a in Parsed(page).elements if tag == "a" and "download" in a}
    assert set(links) == {
        "phase_diagram.csv", "recovery.csv", "recovery_differences.csv", "baselines.csv", "config.yaml",
    }  # fmt: skip
    for name, link in links.items():
        content = base64.b64decode(link.split("base64,")[1])
        assert content == (made.settings.to_yaml().encode() if name == "config.yaml" else made.files[name])


def test_sections_without_files_are_left_out_and_appear_with_them(page):
    assert 'id="questions"' not in page
    assert 'href="#questions"' not in page
    table = pd.DataFrame({"compression_ratio": 0.2, "block_dim": np.repeat([2, 4], 150), "entropy": np.arange(300.0)})
    more = {
        "questions.png": PNG,
        "entanglement.csv": table.to_csv(index=False).encode(),
        "transition.csv": b"a,b\n1,2\n",
    }
    longer = render_report(evidence_of(files=more), "2025-02-26")
    for anchor in ("questions", "entanglement", "transition"):
        assert f'<section id="{anchor}">' in longer
        assert f'href="#{anchor}"' in longer
    part = longer.split('<section id="entanglement">')[1].split("</section>")[0]
    assert "<summary>Operator Schmidt decomposition: 300 rows</summary>" in part
    assert f"the first {SHOWN_ROWS} of 300 rows" in part
    assert part.count("<tr>") == 2 + 2 + SHOWN_ROWS  # two headings and two means
    assert averages(table, ("compression_ratio", "block_dim")).entropy.tolist() == [74.5, 224.5]


def test_tables_have_headings_units_and_sensible_digits():
    table = pd.read_csv(io.StringIO(
        "model,block_dim,nll,perplexity,recovery,recovery_ci95_low,recovery_ci95_high,reversal,shots,nothing\n"
        "m,2,3.1234567,1234567.8,-0.51234,-0.6,0.25,True,inf,\nm,16,,22.926,,,,,8192,\n"
    ))  # fmt: skip
    view = table_view(table, "a table")
    assert view.constants == [("model", "m")]
    columns = {column.heading: column for column in view.columns}
    assert list(columns) == [
        "block dimension d", "nll (nats a token)", "perplexity", "recovery (share)", "95 % of recovery", "reversal",
        "shots a circuit",
    ]  # fmt: skip
    assert columns["nll (nats a token)"].texts == ["3.1235", ""]
    assert columns["perplexity"].texts == ["1,230,000", "22.9"]
    assert columns["recovery (share)"].texts == ["−0.512", ""]
    assert columns["95 % of recovery"].texts == ["−0.600 – 0.250", ""]
    assert columns["reversal"].texts == ["yes", ""]
    assert columns["shots a circuit"].texts == ["unlimited", "8,192"]
    assert columns["shots a circuit"].keys == ["Infinity", "8192.0"]
    assert [column.numeric for column in view.columns] == [True] * 5 + [False, True]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.149, "1.15"), (0.3749, "0.375"), (61400, "61,400"), (9.996, "10.0"), (2.351e8, "2.35·10⁸"),
     (-1.5e-6, "−1.50·10⁻⁶"), (0, "0"), (np.inf, "∞"), (np.nan, "–"), (None, "–"), (999.7, "1,000")],
)  # fmt: skip
def test_significant_digits(value, text):
    assert significant(value) == text


def test_lists_in_words():
    assert [listing([]), listing([0.1]), listing([2, 4]), listing("abc")] == ["none", "0.1", "2 and 4", "a, b and c"]


def test_the_environment_is_the_one_that_runs(made):
    groups = environment(made, "2025-02-26")
    assert dict(groups["Packages"]) == {name: metadata.version(name) for name in PACKAGES}
    assert dict(groups["Model"])["licence"] == "Apache-2.0"
    assert dict(groups["Text"])["licence"].startswith("CC BY-SA")
    assert len(dict(groups["Model"])["SHA-256 of the wheel"]) == 64
    assert dict(groups["Device"]) == {"backend": "FakeFez", "calibrated": "2025-02-26"}
    assert {"prepare", "train", "evaluate", "phase_diagram", "report"} <= set(source_hashes())


def test_the_calibrations_date_is_that_of_the_backends_file():
    folder = files("qiskit_ibm_runtime.fake_provider.backends.fez")
    stated = json.loads((folder / "props_fez.json").read_text())["last_update_date"]
    [settings] = compose()
    assert calibration_date(settings) == pd.Timestamp(stated).tz_convert("UTC").date().isoformat()
