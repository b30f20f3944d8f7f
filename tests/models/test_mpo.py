"""Matrix product operators: their storage, and that their cores are what least squares on the inputs gives."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.models.compression.methods import method_named
from cayley_adapters.models.compression.methods.mpo_cores import Whitening, fitted_cores, kronecker_factors
from cayley_adapters.models.compression.methods.mpo_layers import PivotedMpoLinear, Sites, even_sites, stored

SITES = Sites(6, 4, 5, 3)


def problem(seed, sites=SITES, tokens=60):
    """A weight, and second moments of inputs whose directions differ in size by a hundred."""
    generator = torch.manual_seed(seed)
    inputs, outputs = sites.i1 * sites.i2, sites.o1 * sites.o2
    weight = torch.randn(outputs, inputs, dtype=torch.float64, generator=generator)
    x = torch.randn(inputs, tokens, dtype=torch.float64, generator=generator)
    mixed = torch.randn(inputs, inputs, dtype=torch.float64, generator=generator)
    x = torch.linalg.qr(mixed).Q @ (torch.logspace(-1, 1, inputs, dtype=torch.float64)[:, None] * x)
    return weight, x


def error(weight, x, sites, first, second):
    return float(torch.linalg.norm((weight - sites.join(first @ second)) @ x))


def test_splitting_and_joining_follow_the_indices():
    sites = Sites(2, 3, 5, 4)
    weight = torch.arange(6 * 20).reshape(6, 20)
    rearranged = sites.split(weight)
    assert torch.equal(sites.join(rearranged), weight)
    for o1, o2, i1, i2 in ((0, 0, 0, 0), (1, 2, 3, 1), (1, 0, 4, 3)):
        assert rearranged[o1 * 5 + i1, o2 * 4 + i2] == weight[o1 * 3 + o2, i1 * 4 + i2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.sampled_from([SITES, Sites(2, 6, 2, 7), Sites(12, 1, 3, 4)]), st.data())
def test_an_operator_is_its_cores_in_the_fewest_numbers(seed, sites, data):
    """As many as a matrix of that rank has: rows + columns − rank, each rank times."""
    bond = data.draw(st.integers(1, min(sites.first, sites.second)))
    generator = torch.manual_seed(seed)
    first = torch.randn(sites.first, bond, dtype=torch.float64, generator=generator)
    second = torch.randn(bond, sites.second, dtype=torch.float64, generator=generator)
    bias = torch.randn(sites.o1 * sites.o2, generator=generator)
    layer = PivotedMpoLinear.from_cores(sites, first, second, bias)
    dense = sites.join(first @ second).float()
    assert torch.allclose(layer.product(), dense, atol=1e-3)
    assert layer.rest.numel() + layer.second.numel() == stored(sites, bond, pivoted=True)
    assert stored(sites, bond, pivoted=True) == bond * (sites.first + sites.second - bond)
    x = torch.randn(300, sites.i1 * sites.i2, generator=generator)
    for given_x in (x[:1], x):
        assert torch.allclose(layer(given_x), given_x @ layer.product().T + bias, atol=1e-3)


def test_an_operator_can_be_trained():
    weight, _ = problem(0)
    layer = PivotedMpoLinear.from_cores(SITES, *fitted_cores(weight, torch.eye(15).double(), SITES, 4, 1, 4))
    layer(torch.randn(7, 15)).square().sum().backward()
    assert all(float(value.grad.norm()) > 0 for value in (layer.rest, layer.second))


def test_where_second_moments_are_a_product_the_start_is_the_optimum():
    """Against the truncated singular value decomposition of the rearranged W (S₁ ⊗ S₂)."""
    weight, _ = problem(3)
    one, two = (torch.linalg.qr(torch.randn(size, size, dtype=torch.float64)).R for size in (5, 3))
    gram = torch.kron(one @ one.T, two @ two.T)
    found = torch.kron(*kronecker_factors(gram, SITES))
    assert torch.allclose(found, gram, rtol=1e-8)
    assert torch.allclose(Whitening.of(gram, SITES).moments(gram), torch.eye(15).double(), atol=1e-9)
    root = torch.kron(one, two)
    tail = torch.linalg.svdvals(SITES.split(weight @ root))[6:].norm()
    first, second = fitted_cores(weight, gram, SITES, 6, 0, 0)
    assert error(weight, root, SITES, first, second) == pytest.approx(float(tail), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.sampled_from([SITES, Sites(12, 2, 3, 5), Sites(12, 2, 5, 3)]), st.integers(1, 5))
def test_no_sweep_makes_the_error_larger(seed, sites, bond):
    weight, x = problem(seed, sites)
    errors = [error(weight, x, sites, *fitted_cores(weight, x @ x.T, sites, bond, sweeps, 6)) for sweeps in range(4)]
    assert all(later <= earlier * (1 + 1e-5) for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0]


def test_the_last_core_is_that_of_brute_force():
    """Least squares over all numbers of the first core, the second one given."""
    weight, x = problem(5)
    first, second = fitted_cores(weight, x @ x.T, SITES, 6, 2, 200)
    found = error(weight, x, SITES, first, second)
    units = torch.eye(first.numel(), dtype=torch.float64).reshape(-1, *first.shape)
    design = torch.stack([(SITES.join(unit @ second) @ x).flatten() for unit in units], dim=1)
    best = torch.linalg.lstsq(design, (weight @ x).flatten()).solution
    assert found == pytest.approx(float((design @ best - (weight @ x).flatten()).norm()), rel=1e-5)


def test_fitting_to_the_inputs_is_better_for_them_than_to_the_weights():
    sites = even_sites(15, 24)
    for seed in range(3):
        weight, x = problem(seed, sites)
        linear = torch.nn.Linear(15, 24, bias=False)
        linear.weight.data = weight.float()
        errors = {}
        for name in ("mpo", "mpo_plain"):
            layer, said = method_named(name).fit(linear, x @ x.T, 6, 1e-6)
            lost = torch.linalg.norm((weight - layer.product().detach().double()) @ x)
            errors[name] = float(lost / torch.linalg.norm(weight @ x))
            assert name == "mpo_plain" or said == pytest.approx(errors[name], rel=1e-3)
        assert errors["mpo"] < 0.9 * errors["mpo_plain"]
