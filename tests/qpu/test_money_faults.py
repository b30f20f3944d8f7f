"""A few random faults of every kind; ``python tests/qpu/money.py 2000`` injects more, and prints the table."""

from __future__ import annotations

from money import KINDS, campaign, total


def test_nothing_is_paid_twice_whatever_happens():
    """Copied and deleted ledgers, other machines, wrong clocks and other charges beside faults, fates and deaths."""
    table = campaign(66, seed=4)
    assert set(table) == set(KINDS)
    assert all(row.faults > 0 for row in table.values())
    assert total(table).double == 0
    assert total(table).jobs >= total(table).works  # faults met something
