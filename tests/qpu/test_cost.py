"""What a workload costs: the paper's protocol, the limits of a job, and both modes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.qpu.cost import (
    JOB_SECONDS,
    PILOT_EXECUTIONS,
    Cost,
    Packing,
    cost_table,
    paper_costs,
    preparations,
    split_circuits,
)
from cayley_adapters.qpu.sampling import Sampling

DENSE = Packing("dense", 60, 0.0035, 252e-6)


def test_the_papers_protocol_has_the_papers_number_of_circuits():
    own, dense, characterised = paper_costs([DENSE], 10_000_000, 1.6)
    assert (own["circuits"], own["pairs"], own["executions"]) == (1328, 84_992, 10_878_976)
    assert own["jobs"] == 3  # a small one first, and a job takes 10 million executions
    assert own["seconds"] == pytest.approx(3 * JOB_SECONDS + 10_878_976 * 252e-6, abs=0.1)
    assert own["price_usd"] == pytest.approx(own["seconds"] * 1.6, abs=0.1)
    assert dense["circuits"] == math.ceil(84_992 / 60)
    # Ten preparations of 1,024 blocks serve any number of tokens.
    assert (characterised["pairs"], characterised["circuits"], characterised["tokens"]) == (10_240, 180, None)


@pytest.mark.parametrize(("d", "count"), [(2, 3), (4, 10), (8, 36), (16, 136)])
def test_preparations_are_the_entries_of_a_symmetric_matrix(d, count):
    assert preparations(d) == count


@given(
    pairs=st.integers(1, 5000), lines=st.integers(1, 70), shots=st.integers(1, 20_000), limit=st.integers(1, 10_000_000)
)
def test_no_job_exceeds_its_limit_and_none_is_wasted(pairs, lines, shots, limit):
    cost = Cost([pairs], 1, 1, Packing("dense", lines, 0.0, 1e-4), shots, limit, 0.0)
    per_job, sizes = max(1, limit // shots), split_circuits(cost.circuits, shots, limit, first=True)
    assert (cost.jobs, sum(sizes)) == (len(sizes), cost.circuits)
    assert 0 < min(sizes) <= max(sizes) <= per_job
    assert cost.jobs <= math.ceil(cost.circuits / per_job) + 1
    if len(sizes) > 1:  # the first of several is the pilot, or one of a few small ones
        assert sizes[0] * shots <= 4 * max(PILOT_EXECUTIONS, shots)
    assert split_circuits(cost.circuits, shots, limit, first=False)[:-1] == [per_job] * (
        math.ceil(cost.circuits / per_job) - 1
    )
    assert (cost.circuits - 1) * lines < pairs <= cost.circuits * lines


def test_twirling_takes_at_least_the_shots_asked_for():
    plain, twirled = Sampling(1000), Sampling(1000, twirl_gates=True, randomizations=32)
    assert plain.executions_per_circuit == 1000
    assert twirled.executions_per_circuit == 32 * 32  # 1000 / 32 rounded up, for each of 32 versions
    assert twirled.options()["twirling"] == {
        "enable_gates": True, "enable_measure": False, "num_randomizations": 32, "shots_per_randomization": 32,
    }  # fmt: skip
    assert Sampling(1000, "XY4").options()["dynamical_decoupling"] == {"enable": True, "sequence_type": "XY4"}
    assert set(plain.options()) == {"default_shots"}


def test_the_table_shows_every_row():
    text = cost_table(paper_costs([DENSE], 10_000_000, 1.6))
    lines = text.splitlines()
    assert len(lines) == 2 + 3
    assert "1,328" in lines[2]
    assert "any" in lines[4]
