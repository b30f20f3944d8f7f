"""The small helpers that every stage uses."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import CELL_COLUMNS, read_table, write_table


def test_progress_gives_an_estimate_and_does_not_flood(capsys):
    now = [0.0]
    progress = Progress("train", interval=10, clock=lambda: now[0])
    for step in range(1, 101):
        now[0] = step * 1.0
        progress(step, 100, "loss 3.2")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train: 10/100 loss 3.2, about 90 s left"
    assert lines[-1] == "train: 100/100 loss 3.2, 100 s"
    assert len(lines) == 10


def test_tables_read_back_to_the_same_numbers(tmp_path):
    row = dict.fromkeys(CELL_COLUMNS) | {"nll": 1 / 3, "shots": math.inf, "noise_scale": 1e-5, "layout": "median"}
    write_table([row, row | {"shots": 8192}], tmp_path / "t.csv", CELL_COLUMNS)
    text = (tmp_path / "t.csv").read_text()
    assert ",inf," in text
    assert ",8192," in text
    table = read_table(tmp_path / "t.csv")
    assert list(table.columns) == CELL_COLUMNS
    assert table.nll[0] == 1 / 3
    assert list(table.shots) == [math.inf, 8192]
    assert pd.isna(table.recovery[0])
    with pytest.raises(CayleyError, match=r"cannot read .*absent\.csv"):
        read_table(tmp_path / "absent.csv")


@pytest.mark.parametrize(("written", "read"), [("15", ["15", None]), ("15 16", ["15 16", None]), ("", [None, None])])
def test_layers_are_words(tmp_path, written, read):
    path = tmp_path / "cells.csv"
    path.write_text(f"targets,layers\no_proj,{written}\nv_proj,\n")
    layers = read_table(path)["layers"]
    assert [None if pd.isna(words) else words for words in layers] == read
