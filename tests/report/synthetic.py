"""A small made-up run of any configuration, and a reader of the page's HTML."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from cayley_adapters.analysis.recovery import recovery_tables
from cayley_adapters.analysis.transition import transition
from cayley_adapters.core.environment import environment
from cayley_adapters.report.page import Evidence
from cayley_adapters.settings import compose

GATES = {2: 0, 4: 3, 8: 17, 16: 68}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PNG = b"\x89PNG\r\n\x1a\n"


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


def evidence_of(*overrides: str, experiment: str = "quickstart", files: dict[str, bytes] | None = None, **columns: str):
    """A small run of a configuration: its tables come from the library's own functions, with made-up losses."""
    own = experiment != "quickstart" or any("compression_ratio" in text for text in overrides)
    ratios = [] if own else ["sweep.compression_ratio=0.2,0.3"]
    [settings] = compose(experiment, [*ratios, *overrides])
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
    given["provenance.json"] = json.dumps(provenance_of("prepare", "train a", "evaluate a")).encode()
    return Evidence.from_files(settings, given | (files or {}))


def provenance_of(*labels: str) -> dict:
    """What jobs recorded that ran in this process."""
    calibration = {"backend": "FakeFez", "date": "2025-02-26", "sha256": "0" * 64}
    record = {"settings": "0", "code": "c0de", "threads": 1, "gpu": None, "outputs": {}, "environment": "here"}
    used = {
        "prepare": {"model": {"model.safetensors": "ab" * 32}, "text": {}},
        "evaluate": {"calibration": calibration},
    }
    jobs = {label: record | {"used": used.get(label.split()[0], {})} for label in labels}
    return {"environments": {"here": environment()}, "jobs": jobs}


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
