"""Blocks stay rotations, in whatever precision the model around them computes, eagerly or compiled."""

from __future__ import annotations

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.simulation.surrogate import SurrogateExecutor

KINDS = [
    {"block_dim": 2},
    {"block_dim": 4},
    {"block_dim": 16},
    {"block_dim": 32},
    {"block_dim": 4, "ansatz": "brickwork"},
    {"block_dim": 16, "ansatz": "brickwork", "brickwork_depth": 3},
    {"block_dim": 8, "readout": "sign_constrained"},
]
ids = [" ".join(map(str, kind.values())) for kind in KINDS]


def layer_of(kind, dtype=torch.float32) -> CayleyLayer:
    torch.manual_seed(0)
    base = nn.Linear(64, 8).to(dtype)
    return CayleyLayer(base, "one", CayleyConfig(init_weights=False, **kind), "key")


def off_orthogonal(q: torch.Tensor) -> float:
    exact = q.double()
    return float((exact.mT @ exact - torch.eye(q.shape[-1])).abs().max())


@pytest.mark.parametrize("kind", KINDS, ids=ids)
def test_autocast_rounds_no_block_and_nothing_that_is_kept(kind):
    layer, x = layer_of(kind), torch.randn(20, 64)
    with torch.no_grad():
        expected, turned = layer(x), layer._rotated(x, "one")
        layer._solved.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            blocks = layer.blocks()
            assert blocks.dtype == torch.float32
            assert off_orthogonal(blocks) < 2e-6
            assert torch.allclose(layer._rotated(x, "one"), turned, atol=1e-5)
            layer(x)
        assert torch.equal(layer(x), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert off_orthogonal(layer.blocks().detach()) < 2e-6
        within = layer._rotated(x, "one").square().mul(x).sum()
    outside, theta = layer._rotated(x, "one").square().mul(x).sum(), layer.cayley_theta["one"]
    found, wanted = (torch.autograd.grad(value, theta)[0] for value in (within, outside))
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS[1:5], ids=ids[1:5])
def test_parameters_in_half_precision_make_rotations(kind):
    layer = layer_of(kind, torch.bfloat16)
    assert layer.cayley_theta["one"].dtype == torch.bfloat16
    with torch.no_grad():
        assert layer.blocks().dtype == torch.float32
        assert off_orthogonal(layer.blocks()) < 2e-6


def test_a_smooth_stand_in_for_noise_is_not_rounded_either():
    base = nn.Sequential(nn.Linear(16, 4))
    model = get_peft_model(base, CayleyConfig(target_modules=["0"], init_weights=False))
    set_executor(model, SurrogateExecutor(adapted_layers(model), DeviceNoise.from_backend("FakeFez")))
    layer, x = adapted_layers(model)["0"], torch.randn(6, 16)
    outside = layer._rotated(x, "default")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(layer._rotated(x, "default"), outside, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_precision_of_parameters_is_the_users_choice(dtype, tmp_path):
    config = CayleyConfig(target_modules=["0"], init_weights=False)
    for cast, expected in ((True, torch.float32), (False, dtype)):
        model = get_peft_model(nn.Sequential(nn.Linear(8, 8)).to(dtype), config, autocast_adapter_dtype=cast)
        model.add_adapter("more", config, autocast_adapter_dtype=cast)
        assert {value.dtype for name, value in model.named_parameters() if "theta" in name} == {expected}
        model.save_pretrained(tmp_path)
        base = nn.Sequential(nn.Linear(8, 8)).to(dtype)
        loaded = PeftModel.from_pretrained(base, tmp_path, autocast_adapter_dtype=cast)
        assert adapted_layers(loaded)["0"].cayley_theta["default"].dtype == expected


class Graphs:
    """Counts the graphs that torch.compile makes, and runs each as it is: no compiler is needed."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, _):
        self.count += 1
        return graph.forward


@pytest.mark.parametrize("kind", [KINDS[1], KINDS[3], KINDS[5], KINDS[6]], ids=[ids[i] for i in (1, 3, 5, 6)])
def test_compiled_models_are_one_graph(kind):
    torch.manual_seed(0)
    config = CayleyConfig(target_modules=["0", "2"], init_weights=False, **kind)
    model = get_peft_model(nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4)), config)
    x = torch.randn(5, 64)
    for mode in ("trained", "evaluated"):
        torch._dynamo.reset()
        graphs = Graphs()
        compiled = torch.compile(model, backend=graphs, fullgraph=True)
        with torch.set_grad_enabled(mode == "trained"):
            expected, found = model(x), compiled(x)
            assert torch.allclose(found, expected, atol=1e-5)
        assert graphs.count == 1
        if mode == "trained":
            parameters = [value for value in model.parameters() if value.requires_grad]
            wanted = torch.autograd.grad(expected.square().sum(), parameters)
            for ours, theirs in zip(torch.autograd.grad(found.square().sum(), parameters), wanted, strict=True):
                assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()
