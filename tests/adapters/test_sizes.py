"""Blocks of any size: the paper's counts, slices that are filled up, exact rotations of whole inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.adapters.cayley.model import adapted_layers, trained_blocks
from cayley_adapters.adapters.cayley.oft import from_oft, to_oft
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.adapters.training.fitting import told_dimension
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.widths import SHAPES
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import NoisyExecutor

TARGETS = ["v_proj", "down_proj"]
PRINTED = {
    4: "189K",
    8: "442K",
    16: "948K",
    32: "1.96M",
    64: "3.98M",
    128: "8.66M",
    256: "20.8M",
    512: "52.0M",
    1024: "110.0M",
    "input": "39.8M",
}
"""The paper's table: block dimension → parameters of rotations on all 210 projections."""


def parameters(inputs: int, block_dim: int | str) -> int:
    """Of the blocks on a projection that is not there."""
    layer = CayleyLayer(nn.Linear(inputs, 8, device="meta"), "one", CayleyConfig(block_dim=block_dim), "key")
    assert layer.cayley_theta["one"].is_meta
    return layer.cayley_theta["one"].numel()


def as_printed(count: int, text: str) -> bool:
    """Whether a table has a number as this text, of which it rounds some and cuts off others."""
    digits, unit = text[:-1], {"K": 1e3, "M": 1e6}[text[-1]]
    return abs(count / unit - float(digits)) < 10.0 ** -len(digits.partition(".")[2])


@pytest.mark.parametrize("block_dim", PRINTED)
def test_the_papers_counts_on_its_compressed_model(block_dim):
    paper, shape = SHAPES["paper"], SHAPES["paper"].before
    attention = {groups: groups * shape.queries * shape.head_dim for groups in (shape.groups, paper.groups)}
    layers = {shape.groups: paper.layers - paper.narrow, paper.groups: paper.narrow}
    inputs = [shape.hidden] * 5 * paper.layers + [paper.neurons] * paper.layers
    inputs += [attention[groups] for groups, count in layers.items() for _ in range(count)]
    assert len(inputs) == 210
    assert set(inputs) == {384, 576, 896}
    counts = {width: parameters(width, block_dim) for width in set(inputs)}
    assert as_printed(sum(counts[width] for width in inputs), PRINTED[block_dim])


def test_the_papers_counts_on_llama():
    assert parameters(4096, 4) == 6144
    assert parameters(4096, "input") == 4096 * 4095 // 2 == 8_386_560


@pytest.mark.parametrize("block_dim", [3, 12, 64, "input"])
@pytest.mark.parametrize("readout", ["signed", "sign_constrained"])
def test_slices_are_filled_up_with_zeros(block_dim, readout):
    """Against the whole matrix: zeros after the inputs, one block a slice, and what comes out beyond them dropped."""
    layer = CayleyLayer(
        nn.Linear(22, 5), "one", CayleyConfig(block_dim=block_dim, readout=readout, init_weights=False), "key"
    )
    x = torch.randn(7, 22, generator=torch.manual_seed(0))
    q = torch.block_diag(*layer.blocks().detach())
    assert (q.shape[0] - 22) in range(layer.blocks().shape[-1])
    y = (torch.nn.functional.pad(x, (0, q.shape[0] - 22)) @ q.T)[:, :22]
    if readout == "sign_constrained":
        y = torch.where(x < 0, -y.abs(), y.abs())
    assert torch.allclose(layer(x), layer.base_layer(y), atol=1e-5)
    layer(x).square().sum().backward()
    assert layer.cayley_theta["one"].grad.isfinite().all()


@pytest.mark.parametrize("block_dim", [3, 24, "input"])
def test_saved_loaded_merged_and_taken_off(tiny_folder, tmp_path, tokens, block_dim):
    x, base = torch.as_tensor(tokens, dtype=torch.long), load_model(tiny_folder)
    model = get_peft_model(base, CayleyConfig(block_dim=block_dim, target_modules=TARGETS, init_weights=False)).eval()
    assert told_dimension(model) == (64 if block_dim == "input" else block_dim)
    weights = {name: layer.base_layer.weight.clone() for name, layer in adapted_layers(model).items()}
    with torch.no_grad():
        wanted = model(x).logits
        model.save_pretrained(tmp_path)
        again = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path)
        assert again.peft_config["default"].block_dim == block_dim
        assert torch.equal(again(x).logits, wanted)
        model.merge_adapter()
        assert torch.allclose(model(x).logits, wanted, atol=1e-4)
        model.unmerge_adapter()
        assert torch.allclose(model(x).logits, wanted, atol=1e-5)
    for name, layer in adapted_layers(model).items():
        assert torch.allclose(layer.base_layer.weight, weights[name], atol=1e-6)


def test_a_second_merge_keeps_the_weight_below_both():
    base = nn.Sequential(nn.Linear(22, 5))
    model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["0"], init_weights=False))
    model.add_adapter("more", CayleyConfig(block_dim=8, target_modules=["0"], init_weights=False))
    x, (layer,) = torch.randn(3, 22), adapted_layers(model).values()
    before = layer.base_layer.weight.clone()
    layer.set_adapter(["default", "more"])
    with torch.no_grad():
        wanted = layer(x)
        layer.merge(adapter_names=["more"])
        layer.merge(adapter_names=["default"])
        assert layer.merged_adapters == ["default", "more"]
        layer.unmerge()
        assert torch.equal(layer.base_layer.weight, before)
        layer.merge(adapter_names=["default", "more"])
        assert torch.allclose(layer(x), wanted, atol=1e-5)


def test_whole_inputs_become_oft_and_filled_slices_do_not(tiny_folder, tmp_path, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    for name, block_dim in (("whole", "input"), ("filled", 24)):
        config = CayleyConfig(block_dim=block_dim, target_modules=TARGETS, init_weights=False)
        model = get_peft_model(load_model(tiny_folder), config).eval()
        model.save_pretrained(tmp_path / name)
        if name == "whole":
            wanted = model(x).logits
    to_oft(tmp_path / "whole", tmp_path / "oft")
    with torch.no_grad():
        theirs = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path / "oft")
        assert torch.allclose(theirs(x).logits, wanted, atol=1e-4)
        from_oft(tmp_path / "oft", tmp_path / "back")
        back = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path / "back")
        assert torch.allclose(back(x).logits, wanted, atol=1e-4)
    with pytest.raises(CayleyError, match="block_dim=24 does not divide the inputs of every projection, and OFT"):
        to_oft(tmp_path / "filled", tmp_path / "none")


@pytest.mark.parametrize("d", [576, 1536])
def test_whole_inputs_are_solved_for_exactly_and_keep_one_block_for_the_gradient(d):
    theta = (torch.randn(1, d * (d - 1) // 2, generator=torch.manual_seed(0)) * 0.02).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda value: kept.append(value.numel()) or value, lambda value: value
    ):
        q = cayley(theta)
    assert sum(kept) == d * d
    assert q.dtype == torch.float32
    assert (q[0].T @ q[0] - torch.eye(d)).abs().max() < 1e-5
    q.sum().backward()
    assert theta.grad.isfinite().all()


def test_a_noisy_device_runs_filled_slices(tiny_folder, tokens):
    """Powers of two alone: without noise its outputs are those of exact arithmetic."""
    model = get_peft_model(
        load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=["v_proj"], init_weights=False)
    )
    (name, q), *_ = trained_blocks(model).items()
    x = torch.randn(3, 30, generator=torch.manual_seed(1))
    quiet, noisy = (
        NoisyExecutor({name: compile_blocks(synthesise(q.numpy()), DeviceNoise.from_backend("FakeFez", scale=scale))})
        for scale in (0.0, 1.0)
    )
    y = (nn.functional.pad(x, (0, 2)) @ torch.block_diag(*q.float()).T)[:, :30]
    assert torch.allclose(quiet(name, x), torch.where(x < 0, -y.abs(), y.abs()), atol=1e-5)
    assert noisy(name, x).shape == x.shape
    assert np.abs((noisy(name, x) - quiet(name, x)).numpy()).max() > 1e-3
