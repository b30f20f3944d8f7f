"""Lines are disjoint, as many as can be, and the best of all such choices."""

from __future__ import annotations

import functools
from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu import lines as module
from cayley_adapters.qpu.lines import disjoint_lines, line_tradeoff, plain_pairs
from cayley_adapters.report.plots.lines import lines_figure


@functools.cache
def device(name: str) -> Calibration:
    return calibration_of(snapshot(name))


def cost(calibration: Calibration, lines) -> float:
    return sum(calibration.line(line).infidelity() for line in lines)


def clash(calibration: Calibration, one, two, sparse: bool) -> bool:
    joined = sparse and any((a, b) in calibration.couplers for a in one for b in two)
    return joined or bool(set(one) & set(two))


def brute_force(calibration: Calibration, n: int, quality: float, sparse: bool) -> tuple[int, float]:
    """The largest number of lines and their least total infidelity, by trying all sets of lines."""
    best = {}
    for line in calibration.ranked(n):
        best.setdefault(min(line, line[::-1]), line)
    lines = list(best.values())[: int(np.ceil(quality * len(best)))]
    for size in range(len(lines), 0, -1):
        fits = [
            cost(calibration, chosen)
            for chosen in combinations(lines, size)
            if not any(clash(calibration, *pair, sparse) for pair in combinations(chosen, 2))
        ]
        if fits:
            return size, min(fits)
    raise AssertionError("no line at all")


@st.composite
def calibrations(draw) -> Calibration:
    """Small random devices; errors on a coarse grid, so that ties occur."""
    count = draw(st.integers(2, 7))
    errors = st.integers(1, 6).map(lambda step: step / 100)
    qubits = {q: Qubit(1e-4, 1e-4, draw(errors) / 10, 3e-8, draw(errors), draw(errors)) for q in range(count)}
    pairs = [(q - 1, q) for q in range(1, count)]
    others = [pair for pair in combinations(range(count), 2) if pair not in pairs]
    extra = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
    couplers = {}
    for a, b in pairs + extra:
        couplers[a, b] = couplers[b, a] = Coupler(draw(errors), 7e-8)
    return Calibration("random", qubits, couplers)


@settings(max_examples=80, deadline=None)
@given(calibrations(), st.integers(1, 3), st.sampled_from([0.3, 0.6, 1.0]), st.booleans())
def test_no_choice_is_better(calibration, n, quality, sparse):
    if len(calibration.qubits) < n:
        n = 1
    lines = disjoint_lines(calibration, n, quality, sparse)
    number, least = brute_force(calibration, n, quality, sparse)
    assert len(lines) == number
    assert cost(calibration, lines) == pytest.approx(least, abs=1e-6)
    assert not any(clash(calibration, *pair, sparse) for pair in combinations(lines, 2))


@pytest.mark.parametrize("name", ["FakeFez", "FakeMarrakesh"])
@pytest.mark.parametrize("quality", [0.5, 1.0])
def test_pairs_are_the_matching_that_networkx_finds(name, quality):
    calibration = device(name)
    pairs = [line for line in calibration.ranked(2) if line[0] < line[1]]
    better = {pair: min(cost(calibration, [pair]), cost(calibration, [pair[::-1]])) for pair in pairs}
    kept = sorted(better, key=better.get)[: int(np.ceil(quality * len(better)))]
    graph = nx.Graph()
    graph.add_weighted_edges_from([(*pair, 10 - better[pair]) for pair in kept])
    reference = [better[min(pair, pair[::-1])] for pair in nx.max_weight_matching(graph, maxcardinality=True)]
    chosen = disjoint_lines(calibration, 2, quality)
    assert len(chosen) == len(reference)
    assert cost(calibration, chosen) == pytest.approx(sum(reference), abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("sparse", [False, True])
def test_lines_of_a_device(n, sparse):
    calibration = device("FakeFez")
    lines = disjoint_lines(calibration, n, sparse=sparse)
    assert not any(clash(calibration, *pair, sparse) for pair in combinations(lines, 2))
    values = [calibration.line(line).infidelity() for line in lines]
    assert values == sorted(values)
    assert all(value <= calibration.line(line[::-1]).infidelity() for value, line in zip(values, lines, strict=True))
    if sparse:
        assert len(lines) < len(disjoint_lines(calibration, n))


def test_plain_pairs_are_the_same_ones_each_time():
    assert len({plain_pairs(device("FakeFez")) for _ in range(10)}) == 1


def test_more_lines_cost_quality():
    dense, sparse = (line_tradeoff(device("FakeFez"), 2, layout) for layout in (False, True))
    plain, dense = dense[dense["layout"] == "plain"].iloc[0], dense[dense["layout"] == "dense"]
    for table in (dense, sparse):
        assert table["lines"].is_monotonic_increasing
        assert table["cz_error"].iloc[0] < table["cz_error"].iloc[-1]
    assert (sparse["lines"] <= dense["lines"]).all()
    # As many pairs as can be, errors not looked at, are far worse than the median; quality buys that back.
    assert plain["lines"] == dense["lines"].iloc[-1] == len(plain_pairs(device("FakeFez"))) == 64
    assert plain["cz_error"] > 1.5 * plain["median_cz_error"] > 1.5 * dense["cz_error"].iloc[-3]
    assert dense["lines"].iloc[-3] == 61
    figure = lines_figure(pd.concat([dense, sparse]), "Lines", 0.5)
    curves = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(curves["disjoint lines"].get_xdata(), dense["lines"])
    np.testing.assert_array_equal(curves["no two lines adjacent"].get_ydata(), sparse["cz_error"])
    assert len(lines_figure(line_tradeoff(device("FakeFez"), 1, qualities=[0.5, 1]), "Lines").axes) == 1


def test_a_search_that_is_cut_short_says_so(monkeypatch, capsys):
    calibration = device("FakeFez")
    whole = disjoint_lines(calibration, 3, 1.0, sparse=True)
    monkeypatch.setattr(module, "_NODES", 0)
    lines = disjoint_lines(calibration, 3, 1.0, sparse=True)
    assert "no proof within 0 nodes" in capsys.readouterr().err
    assert 0 < len(lines) <= len(whole)
    assert not any(clash(calibration, *pair, True) for pair in combinations(lines, 2))


def test_refused_choices():
    for quality in (0, -1, 1.1, float("nan")):
        with pytest.raises(CayleyError, match="above 0 and up to 1"):
            disjoint_lines(device("FakeFez"), 2, quality)
    lonely = Calibration("lonely", {0: device("FakeFez").qubits[0]}, {})
    assert disjoint_lines(lonely, 1) == disjoint_lines(lonely, 1, sparse=True) == ((0,),)
    with pytest.raises(CayleyError, match="no line of 2"):
        disjoint_lines(lonely, 2)
