"""Numbers, lists and tables as the report writes them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.report.page.tables import table_view
from cayley_adapters.report.words import listing, significant


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
