"""Workloads: which pair runs where, and that the same measurement is recognised."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.cost import Cost, Packing
from cayley_adapters.qpu.workload import characterise_workload, load_workload, per_token_workload
from cayley_adapters.simulation.measurement import preparation_slices

LINES = tuple((2 * i, 2 * i + 1) for i in range(5))


def circuits(count, seed=0, lengths=(2,)):
    rng = np.random.default_rng(seed)
    return BlockCircuits(full(2), rng.normal(size=(count, full(2).angles)), rng.choice(lengths, size=count))


def places(workload):
    """Parameter set and line of each pair, among those of its circuit."""
    line, number = np.empty(len(workload), int), np.empty(len(workload), int)
    for _, pairs in workload.parts():
        number[pairs], line[pairs] = np.divmod(np.arange(len(pairs)), len(workload.lines))
    return number, line


def costs_as_said(workload, tokens, slices, lines):
    """Say whether a workload has the circuits and jobs that its cost counts."""
    groups = [len(blocks) for _, blocks in workload.circuits.groups()]
    cost = Cost(groups, tokens, slices, Packing("dense", lines, 0.0, 0.0), 1, 3, 0.0)
    circuits = [math.ceil(len(pairs) / len(workload.lines)) for _, pairs in workload.parts()]
    return (cost.circuits, cost.jobs) == (sum(circuits), sum(math.ceil(count / 3) for count in circuits))


@settings(deadline=None)
@given(
    tokens=st.integers(1, 9),
    count=st.integers(1, 13),
    lines=st.integers(1, 5),
    lengths=st.sampled_from([(2,), (0, 1, 2)]),
)
def test_every_slice_runs_through_its_block(tokens, count, lines, lengths):
    x = np.random.default_rng(1).normal(size=(tokens, count, 4)).astype(np.float32)
    workload = per_token_workload("p", circuits(count, lengths=lengths), x, LINES[:lines], "device")
    assert np.array_equal(workload.arrange(workload.slices), x)
    assert np.array_equal(workload.arrange(workload.blocks), np.tile(np.arange(count), (tokens, 1)))
    number, line = places(workload)
    assert len(set(zip(workload.circuits.lengths[workload.blocks], number, line, strict=True))) == tokens * count
    assert costs_as_said(workload, tokens, tokens, lines)


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    lines=st.integers(1, 5),
    lengths=st.sampled_from([(2,), (0, 2)]),
)
def test_a_block_is_characterised_on_one_line(counts, lines, lengths):
    blocks = {f"p{i}": circuits(count, i, lengths) for i, count in enumerate(counts)}
    x = preparation_slices(4)
    workload = characterise_workload(blocks, x, LINES[:lines], "device")
    total = sum(counts)
    assert np.allclose(workload.arrange(workload.slices), np.repeat(x[:, None], total, axis=1))
    assert np.array_equal(workload.arrange(workload.blocks), np.tile(np.arange(total), (len(x), 1)))
    assert dict(workload.projections) == {f"p{i}": count for i, count in enumerate(counts)}
    _, line = places(workload)
    assert (workload.arrange(line) == workload.arrange(line)[:1]).all()
    assert costs_as_said(workload, None, len(x), lines)


def test_a_workload_survives_a_file_and_is_known_by_its_content(tmp_path):
    x = np.random.default_rng(1).normal(size=(3, 4, 4)).astype(np.float32)
    workload = per_token_workload("p", circuits(4), x, LINES, "device")
    workload.save(tmp_path / "workload.safetensors")
    again = load_workload(tmp_path / "workload.safetensors")
    assert again.digest == workload.digest
    assert (again.lines, again.mode, again.projections) == (workload.lines, workload.mode, {"p": 4})
    assert np.array_equal(again.index, workload.index)
    moved = workload.slices.copy()
    moved[5, 2] = np.nextafter(moved[5, 2], 1)
    others = [
        dataclasses.replace(workload, slices=moved),
        dataclasses.replace(workload, lines=LINES[1:]),
        dataclasses.replace(workload, backend="another"),
        dataclasses.replace(workload, blocks=workload.blocks[::-1]),
        dataclasses.replace(workload, circuits=circuits(4, seed=9)),
    ]
    assert len({item.digest for item in [workload, *others]}) == 6


def test_what_was_measured_serves_no_other_text_mode_or_model():
    x, blocks = np.random.default_rng(1).normal(size=(3, 4, 4)).astype(np.float32), {"p": circuits(4)}
    workload = per_token_workload("p", blocks["p"], x, LINES, "device")
    workload.check("per_token", blocks, x * np.float32(1 + 1e-6))
    once = characterise_workload(blocks, preparation_slices(4), LINES, "device")
    once.check("characterise", blocks, x[:1])
    wrong = [
        (workload, "per_token", blocks, np.concatenate([x, x])),  # more tokens than were run
        (workload, "per_token", blocks, x[::-1]),
        (workload, "per_token", {"p": circuits(4, seed=9)}, x),
        (workload, "per_token", {"another": circuits(4)}, x),
        (workload, "characterise", blocks, x),
        (once, "per_token", blocks, x),
    ]
    for planned, mode, own, slices in wrong:
        with pytest.raises(CayleyError, match="cayley qpu plan"):
            planned.check(mode, own, slices)


def test_few_lines_are_no_more_circuits():
    lengths = np.repeat([0, 2], [55, 45])  # 100 blocks on 60 lines: one circuit for each length, if 55 lines are used
    blocks = {"p": BlockCircuits(full(2), np.zeros((100, full(2).angles)), lengths)}
    many = tuple((2 * i, 2 * i + 1) for i in range(60))
    assert len(characterise_workload(blocks, preparation_slices(4), many, "device").lines) == 55


def test_a_damaged_file_is_answered_with_what_to_do(tmp_path):
    path = tmp_path / "workload.safetensors"
    path.write_bytes(b"not at all")
    with pytest.raises(CayleyError, match="delete it and run"):
        load_workload(path)
