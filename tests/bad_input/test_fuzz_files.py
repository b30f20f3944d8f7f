"""Fuzzing files: text, questions, tables, calibrations, ledgers, and what else stages read of a results folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzzing import ODD, fuzz, spoilt
from hypothesis import strategies as st
from map_tables import small_map
from material import QUESTION
from safetensors.numpy import save_file
from windows import windows_of

from cayley_adapters.analysis.transition_table import load_transition, transition_rows
from cayley_adapters.circuits.noise.backends import calibration_named
from cayley_adapters.circuits.noise.budget import BUDGET_COLUMNS, read_budgets
from cayley_adapters.circuits.noise.calibration_files import load_calibration, save_calibration
from cayley_adapters.core.reading import read_text
from cayley_adapters.core.tables import (
    BASELINE_COLUMNS,
    CELL_COLUMNS,
    read_baselines,
    read_cells,
    read_table,
    write_table,
)
from cayley_adapters.models.windows import load_windows, save_windows
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.workload import load_workload
from cayley_adapters.questions.files import read_csv, read_jsonl
from cayley_adapters.questions.items import load_set, prompted, save_set

ROW = {"model": "m", "compression": "svd", "compression_ratio": 0.3, "tokens": 62, "nll": 5.5, "adapter_parameters": 4}
CELL = ROW | {"block_dim": 2, "qubits": 1, "seed": 0, "shots": math.inf, "noise_scale": 1.0, "layers": "15"}


def from_file(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    def run(content: bytes) -> None:
        path.write_bytes(content)
        read(path)

    return run


def table(folder: Path, rows: list[dict[str, object]], columns: list[str]) -> bytes:
    write_table(rows, folder / "sample.csv", columns)
    return (folder / "sample.csv").read_bytes()


def test_text(tmp_path: Path) -> None:
    samples = [b"A line of text.\n" * 5, "größer, 漢字 and 𝒳\n".encode(), b"\xef\xbb\xbfwith a mark\n", b" \n"]
    read = from_file(tmp_path / "t.txt", lambda path: read_text(path, "data.train"))
    fuzz("text files", spoilt(samples), read, 1000, samples[:3])


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_questions(kind: str, tmp_path: Path) -> None:
    lines = [QUESTION, '{"question": "größer?", "choices": ["a", "b", 3], "answer": "B", "topic": "t"}\n']
    rows = ["q,a,b,c,d,A\n", '"a ""quoted"" one","x,y",b,c,d,D\n']
    samples = [text.encode() for text in (lines if kind == "jsonl" else rows)]
    reader = {"jsonl": read_jsonl, "csv": read_csv}[kind]

    def read(path: Path) -> None:
        found = reader(path)  # what is taken must be fit to be asked and kept
        items = [prompted(item, "cloze") for item in found.items]
        save_set(found.with_items(items), tmp_path / "items", tmp_path / "about", format="cloze")
        assert load_set(tmp_path / "items", tmp_path / "about")[0].items == tuple(items)

    fuzz(
        f"questions ({kind})",
        spoilt([*samples, b"".join(samples)]),
        from_file(tmp_path / f"q.{kind}", read),
        700,
        samples,
    )


TABLES = {
    "cells": (read_cells, CELL, CELL_COLUMNS),
    "baselines": (read_baselines, ROW | {"method": "lora", "matched_block_dim": 4}, BASELINE_COLUMNS),
    "budgets": (lambda path: read_budgets([path]), CELL | {"gates": 2, "infidelity": 0.1}, BUDGET_COLUMNS),
    "manifest": (lambda path: read_table(path, ["folder"]), {"folder": "ratio0.3/d2/seed0"}, ["folder", "seed"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, tmp_path: Path) -> None:
    reader, row, columns = TABLES[name]
    samples = [table(tmp_path, [row] * count, columns) for count in (1, 3)]

    def read(path: Path) -> None:
        frame = reader(path)
        if name == "cells":  # numbers are numbers, whatever was read
            assert np.isfinite(frame["nll"] + frame["noise_scale"] + frame["tokens"]).all()

    fuzz(f"{name}.csv", spoilt(samples), from_file(tmp_path / "t.csv", read), 500, samples)


def test_calibration(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    save_calibration(calibration_named("FakeFez"), path, {"date": "2025"})
    content = json.loads(path.read_text())
    small = {**content, "qubits": {q: content["qubits"][q] for q in "0123"}, "couplers": content["couplers"][:6]}

    def read(path: Path) -> None:
        found, _ = load_calibration(path)
        for qubit in found.qubits.values():
            assert 0 <= qubit.scaled(2.0).sx_error <= 1

    sample = json.dumps(small).encode()
    fuzz("calibration", spoilt([sample]), from_file(path, read), 700, [sample])


def test_transition(tmp_path: Path) -> None:
    read = from_file(tmp_path / "transition.json", lambda path: transition_rows(load_transition(path)))
    sample = json.dumps(small_map()[2]).encode()
    fuzz("transition.json", spoilt([sample]), read, 700, [sample])


def test_windows(tmp_path: Path) -> None:
    save_windows({"train": windows_of(np.ones((2, 8), dtype=np.int32))}, tmp_path / "w.safetensors")
    sample = (tmp_path / "w.safetensors").read_bytes()
    read = from_file(tmp_path / "t.safetensors", lambda path: load_windows(path, "train").first(1, "x"))
    fuzz("windows", spoilt([sample]), read, 500, [sample])


def test_workload(tmp_path: Path) -> None:
    about = {
        "mode": "per_token",
        "backend": "FakeFez",
        "lines": [[0, 1]],
        "qubits": 2,
        "couplers": [[0, 1]],
        "projections": {"p": 1},
    }
    arrays = {"angles": np.zeros((1, 6)), "lengths": np.ones(1, np.int64), "slices": np.ones((1, 4), np.float32)}
    arrays |= {"blocks": np.zeros(1, np.int32), "index": np.zeros((1, 1), np.int32)}
    save_file(arrays, tmp_path / "w.safetensors", metadata={"workload": json.dumps(about)})
    sample = (tmp_path / "w.safetensors").read_bytes()
    fuzz("workload", spoilt([sample]), from_file(tmp_path / "t.safetensors", load_workload), 500, [sample])


def filled_ledger(path: Path) -> bytes:
    ledger = Ledger(path)
    with ledger.writing():
        tags = [ledger.plan(f"key{number}", f"job {number}", "digest", "[[1, [2], 3]]", 1.0) for number in range(3)]
        ledger.move(tags[0], "unknown")
        ledger.move(tags[0], "submitted", job="job0")
        ledger.store(tags[0], np.arange(6).reshape(2, 3), 2.0)
        ledger.move(tags[1], "unknown")
        ledger.stray("job9", tags[0], "DONE", "a second one")
        ledger.add_batch("b", "ibm_fez")
    ledger.close()
    return path.read_bytes()


def test_ledger(tmp_path: Path) -> None:
    sample = filled_ledger(tmp_path / "sample.sqlite")
    path = tmp_path / "fuzzed.sqlite"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        (tmp_path / "fuzzed.sqlite.lock").touch()
        ledger = Ledger(path)
        try:
            for row in ledger.rows():
                ledger.events(row["tag"])
                ledger.attempt(row["tag"])
            assert math.isfinite(ledger.seconds())
            if ledger.has_result("key0"):
                ledger.result("key0")
        finally:
            ledger.close()

    fuzz("ledger", spoilt([sample]), read, 700, [sample])


def test_tags(tmp_path: Path) -> None:
    filled_ledger(tmp_path / "ledger.sqlite")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    words = st.one_of(st.text(), st.lists(st.sampled_from(ODD), max_size=3).map("".join))
    fuzz("tags", words, lambda tag: (ledger.attempt(tag), ledger.events(tag)), 300)
    ledger.close()
