"""An executor runs the blocks that it was set for, or the model says that it would run others."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from peft import get_peft_model
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor
from cayley_adapters.simulation.surrogate import SurrogateExecutor

X = torch.linspace(-1, 1, 24).view(3, 8)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = CayleyConfig(block_dim=4, target_modules=["0"], init_weights=False)
    model = get_peft_model(nn.Sequential(nn.Linear(8, 8)), config)
    model.add_adapter("second", config)
    set_executor(model, ExactExecutor({name: q.float() for name, q in trained_blocks(model).items()}, "signed"))
    return model.eval()


def layer_of(model):
    [layer] = adapted_layers(model).values()
    return layer


def exact(model, *names):
    layer, x = layer_of(model), X
    for name in names:
        x = x @ torch.block_diag(*layer.blocks(name)).T
    return layer.base_layer(x)


@torch.no_grad()
def test_it_runs_the_adapter_that_was_active_when_it_was_set(model):
    assert torch.allclose(model(X), exact(model, "default"), atol=1e-6)
    model.set_adapter("second")
    with pytest.raises(CayleyError, match="set for adapter 'default', and 'second' is active; call set_executor again"):
        model(X)
    model.base_model.set_adapter(["default", "second"])
    with pytest.raises(CayleyError, match="'second' is active"):
        model(X)
    with pytest.raises(CayleyError, match="default and second are active on 0"):
        set_executor(model, lambda key, x: x)
    set_executor(model, None)
    assert torch.allclose(model(X), exact(model, "default", "second"), atol=1e-6)
    model.set_adapter("second")
    set_executor(model, lambda key, x: 2 * x)
    assert torch.allclose(model(X), layer_of(model).base_layer(2 * X))
    model.delete_adapter("second")
    with pytest.raises(CayleyError, match="set for adapter 'second', and 'default' is active"):
        model(X)


@torch.no_grad()
def test_it_notices_other_parameters_however_they_came(model):
    theta = layer_of(model).cayley_theta["default"]
    before = theta.clone()
    for change in (
        lambda: theta.mul_(1.01),
        lambda: theta.data.zero_(),
        lambda: model.load_state_dict({k: v + 1 if "theta.default" in k else v for k, v in model.state_dict().items()}),
        lambda: model.double(),
    ):
        change()
        with pytest.raises(CayleyError, match="parameters of adapter 'default' at 0 are others"):
            model(X.to(theta.dtype))
        model.float()
        theta.copy_(before)
        assert torch.allclose(model(X), exact(model, "default"), atol=1e-6)
    again = copy.deepcopy(model)
    assert torch.allclose(again(X), exact(model, "default"), atol=1e-6)


@torch.no_grad()
def test_merging_does_not_go_round_it(model):
    with pytest.raises(CayleyError, match="an executor runs the blocks of 0; a merged weight would go round it"):
        model.merge_adapter()
    set_executor(model, None)
    model.merge_adapter()
    with pytest.raises(CayleyError, match=r"are merged, so nothing can run them: unmerge_adapter\(\) first"):
        set_executor(model, lambda key, x: x)
    model.unmerge_adapter()
    with model.disable_adapter():
        set_executor(model, lambda key, x: 0 * x)
        assert torch.allclose(model(X), layer_of(model).base_layer(X), atol=1e-6)


def test_it_says_what_can_be_differentiated_instead(model):
    noise = DeviceNoise.from_backend("FakeFez")
    shots = NoisyExecutor({"0": trained_blocks(model)["0"].numpy()}, shots=100)
    for executor in (shots, ExactExecutor({"0": trained_blocks(model)["0"].float()}, "signed")):
        set_executor(model, executor)
        loss = model(X).square().sum()
        with pytest.raises(
            CayleyError, match=f"run by {type(executor).__name__} have no derivative.*SurrogateExecutor"
        ):
            loss.backward()
    model.requires_grad_(False)
    inputs = X.clone().requires_grad_()
    model(inputs).sum().backward()  # by fixed blocks, with respect to what enters them
    turned = torch.block_diag(*layer_of(model).blocks())
    assert torch.allclose(inputs.grad, (layer_of(model).base_layer.weight.sum(0) @ turned).expand_as(X), atol=1e-5)
    set_executor(model, shots)
    with pytest.raises(CayleyError, match="none at all"):
        model(inputs).sum().backward()
    model.set_adapter("default")
    set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    model(X).square().sum().backward()
    theta = layer_of(model).cayley_theta["default"]
    assert theta.grad.abs().max() > 0
    with torch.no_grad():
        theta.mul_(2)
    model(X)  # it asks the layers at each call


def test_counts_are_the_same_without_a_seed():
    q = np.eye(4)[None].repeat(2, 0)
    first, second, third = (NoisyExecutor({"0": q}, 64, **options)("0", X) for options in ({}, {}, {"seed": 1}))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@torch.no_grad()
def test_batches_of_several_adapters(model):
    set_executor(model, None)
    names = ["second", "__base__", "default"]
    rows = [exact(model, *([name] if name in ("default", "second") else []))[index] for index, name in enumerate(names)]
    assert torch.allclose(model(X, adapter_names=names), torch.stack(rows), atol=1e-6)
    assert torch.allclose(model(X), exact(model, "default"), atol=1e-6)
    for wrong, message in (
        (["default"], "1 names for a batch of 3"),
        (["default", "other", "second"], "adapter_names has other, which the model has not"),
    ):
        with pytest.raises(CayleyError, match=message):
            model(X, adapter_names=wrong)
    set_executor(model, lambda key, x: x)
    with pytest.raises(CayleyError, match="0 has an executor"):
        model(X, adapter_names=names)
    set_executor(model, None)
    with pytest.raises(CayleyError, match="in training mode"):
        model.train()(X, adapter_names=names)
    model.eval().merge_adapter()
    with pytest.raises(CayleyError, match="0 has merged adapters"):
        model(X, adapter_names=names)


@torch.no_grad()
def test_batches_of_several_adapters_generate(tiny_model, tokens):
    model = get_peft_model(
        tiny_model, CayleyConfig(target_modules=["v_proj"], init_weights=False, task_type="CAUSAL_LM")
    )
    model.add_adapter("second", CayleyConfig(target_modules=["o_proj", "v_proj"], init_weights=False))
    model.eval()
    x, options = torch.as_tensor(tokens[:2], dtype=torch.long), {"max_new_tokens": 4, "do_sample": False}
    options |= {"pad_token_id": 0, "min_new_tokens": 4}
    both = model.generate(input_ids=x, adapter_names=["second", "__base__"], num_beams=2, **options)
    with model.disable_adapter():
        plain = model.generate(input_ids=x[1:], num_beams=2, **options)
    model.set_adapter("second")
    alone = model.generate(input_ids=x[:1], num_beams=2, **options)
    assert torch.equal(both, torch.cat([alone, plain]))
