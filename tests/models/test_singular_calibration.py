"""Calibration inputs that span few directions, or of which one outweighs all others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods import method_named
from cayley_adapters.models.compression.methods.mpo import bond_spectrum
from cayley_adapters.models.compression.methods.whitened_svd import whitened_spectrum
from cayley_adapters.models.compression.observation import _gram
from cayley_adapters.models.compression.ridges import with_ridge
from cayley_adapters.models.compression.sequential import compress

KINDS = {
    "few": lambda x: x[:7],
    "one text again and again": lambda x: x[:1].repeat(len(x), 1),
    "dead features": lambda x: x * (torch.arange(x.shape[1]) % 3 > 0),
    "silence": lambda x: 0 * x,
    "one loud feature": lambda x: x * torch.where(torch.arange(x.shape[1]) == 5, 1e4, 1.0),
    "one loud token": lambda x: x * torch.where(torch.arange(len(x)) == 2, 1e4, 1.0)[:, None],
    "faint": lambda x: 1e-15 * x,
    "huge": lambda x: 1e15 * x,
    "four directions": lambda x: x[:, :4] @ torch.linspace(-1, 1, 4 * x.shape[1]).sin().view(4, -1),
}


WEIGHT = torch.empty(160, 96)


@pytest.fixture(params=KINDS)
def inputs(request) -> torch.Tensor:
    return KINDS[request.param](torch.randn(300, 96, generator=torch.manual_seed(4)))


@pytest.mark.parametrize("ridge", [1e-4, 1e-9, 0.0])
@pytest.mark.parametrize("method", ["whitened_svd", "mpo"])
def test_any_calibration_gives_factors_of_the_stated_error(inputs, ridge, method):
    linear = nn.Linear(96, 160, bias=False)
    nn.init.normal_(linear.weight, generator=torch.manual_seed(5))
    how = method_named(method)
    smaller, error = how.fit(linear, _gram(inputs), 30, ridge)
    x, w = inputs.double(), linear.weight.double()
    exact = x @ w.T
    dense = smaller.double()(torch.eye(96, dtype=torch.float64)).detach()
    lost = float((x @ dense - exact).norm() / exact.norm()) if exact.norm() > 0 else 0.0
    assert np.isfinite(lost)
    assert error == pytest.approx(lost, abs=1e-4)


def test_a_gram_matrix_has_no_negative_eigenvalues_above_the_ridge(inputs):
    gram = _gram(inputs)
    assert torch.equal(gram, gram.T)
    values = torch.linalg.eigvalsh(gram)
    assert values.min() >= -1e-11 * gram.trace() / len(gram)
    exact = inputs.double().T @ inputs.double()
    assert (gram - exact).norm() <= 1e-14 * exact.norm()


@pytest.mark.parametrize("spectrum", [whitened_spectrum, bond_spectrum])
def test_spectra_are_finite(inputs, spectrum):
    weight, gram = torch.randn(160, 96, generator=torch.manual_seed(6)), _gram(inputs)
    assert np.isfinite(spectrum(weight, gram)).all()


@pytest.mark.parametrize("method", ["whitened_svd", "mpo", "width"])
@pytest.mark.parametrize("allocation", ["uniform", "sensitivity"])
@pytest.mark.parametrize("tokens", [np.full((2, 24), 7), np.arange(1, 9)[None]], ids=["one token", "eight tokens"])
def test_poor_text_still_compresses(tiny_model, method, allocation, tokens):
    compress(tiny_model, 0.3, tokens=tokens, method=method, allocation=allocation, ridge=0.0)
    assert torch.isfinite(tiny_model(torch.as_tensor(tokens)).logits).all()


def test_a_larger_ridge_is_said(capfd):
    def factor(ridge: float) -> float:
        if ridge < 1e-7:
            raise torch.linalg.LinAlgError("singular")
        return ridge

    assert with_ridge(factor, 0.0, WEIGHT) == 1e-6
    (line,) = capfd.readouterr().err.splitlines()
    assert "a projection of 96 inputs and 160 outputs" in line
    assert "a ridge of 0 " in line
    assert "1e-06 was taken" in line
    assert with_ridge(factor, 1e-3, WEIGHT) == 1e-3
    assert not capfd.readouterr().err


def test_what_no_ridge_helps_is_said():
    def factor(ridge: float) -> float:
        raise torch.linalg.LinAlgError("singular")

    with pytest.raises(CayleyError, match=r"160 outputs: .* ridge of 0\.01; give more and other calibration text"):
        with_ridge(factor, 1e-4, WEIGHT)
