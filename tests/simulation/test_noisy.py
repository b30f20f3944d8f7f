"""An adapted model within ``noisy``: as a cell of the map is measured, and as before afterwards."""

from __future__ import annotations

import math

import pytest

import cayley_adapters as ca
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.core.errors import CayleyError

TEXT = "to be or not to be, that is the question " * 30


@pytest.fixture(scope="module")
def adapter():
    """Blocks that training has turned."""
    return ca.train(ca.load("tiny_random"), TEXT, block_dim=4, steps=6, window=32, readout="sign_constrained")


def measured(adapter, *device, **options) -> float:
    with ca.noisy(adapter, *device, **options) as same:
        assert same is adapter
        return ca.perplexity(adapter, TEXT, window=32)


def test_an_ideal_device_with_unlimited_shots_gives_what_was_trained(adapter) -> None:
    exact = ca.perplexity(adapter, TEXT, window=32)
    assert measured(adapter, "FakeFez", scale=0, shots=math.inf) == pytest.approx(exact, rel=1e-4)


def test_the_same_seed_draws_the_same_shots_and_noise_changes_the_loss(adapter) -> None:
    first, again, other = (measured(adapter, "FakeFez", scale=1, shots=100, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert measured(adapter, scale=30, shots=math.inf) != pytest.approx(measured(adapter, scale=0, shots=math.inf))


def test_a_device_is_as_good_as_its_name(adapter) -> None:
    device = ca.DeviceNoise.from_backend("FakeTorino", scale=5)  # the scale is that of the call
    assert measured(adapter, device, shots=64) == measured(adapter, "FakeTorino", shots=64)


def test_what_ran_the_blocks_before_runs_them_again_even_after_an_error(adapter) -> None:
    exact = ca.perplexity(adapter, TEXT, window=32)
    with pytest.raises(RuntimeError), ca.noisy(adapter):
        raise RuntimeError
    assert all(layer.executor is None for layer in adapted_layers(adapter).values())
    with ca.noisy(adapter, scale=0, shots=math.inf):
        outer = ca.perplexity(adapter, TEXT, window=32)
        measured(adapter, scale=3, shots=16)
        assert ca.perplexity(adapter, TEXT, window=32) == outer
    assert ca.perplexity(adapter, TEXT, window=32) == exact


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"backend": "FakeFes"}, "FakeFez"),
        ({"shots": 0}, "at least 1"),
        ({"scale": -1}, "noise scale"),
        ({"readout": "ideal_sing"}, "did you mean 'ideal_sign'"),
        ({"mitigation": "reedout"}, "mitigation 'reedout' is unknown"),
        ({"synthesis": "exakt"}, "did you mean 'exact'"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_is_allowed(options: dict, fragment: str, adapter) -> None:
    with pytest.raises(CayleyError, match=fragment), ca.noisy(adapter, **options):
        pass
    assert all(layer.executor is None for layer in adapted_layers(adapter).values())


def test_a_model_without_blocks_says_so() -> None:
    with pytest.raises(CayleyError, match="has no Cayley blocks"), ca.noisy(ca.load("tiny_random")):
        pass


def test_blocks_too_large_for_circuits_say_so() -> None:
    large = ca.train(ca.load("tiny_random"), TEXT, block_dim=32, steps=0, window=32)
    with pytest.raises(CayleyError, match="cannot be run as noisy circuits"), ca.noisy(large):
        pass
