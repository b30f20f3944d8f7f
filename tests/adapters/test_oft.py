"""Conversion from and to PEFT's OFT: the same logits, and a refusal where the maps differ."""

from __future__ import annotations

import pytest
import torch
from peft import OFTConfig, PeftModel, get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.oft import from_oft, to_oft
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model

TARGETS = ["v_proj", "down_proj"]


def saved(folder, target, config):
    """An adapter of random numbers on the tiny model, saved, and the model."""
    model = get_peft_model(load_model(folder), config)
    generator = torch.manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.copy_(0.5 * torch.randn(value.shape, generator=generator))
    model.save_pretrained(target)
    return model.eval()


def test_there_and_back_is_the_same_rotation(tiny_folder, tmp_path, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    config = OFTConfig(r=0, oft_block_size=8, use_cayley_neumann=False, target_modules=TARGETS)
    theirs = saved(tiny_folder, tmp_path / "oft", config)
    converted = from_oft(tmp_path / "oft", tmp_path / "cayley")
    assert (converted.block_dim, converted.target_modules) == (8, set(TARGETS))
    ours = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path / "cayley")
    back = to_oft(tmp_path / "cayley", tmp_path / "back")
    assert (back.oft_block_size, back.use_cayley_neumann) == (8, False)
    again = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path / "back")
    with torch.no_grad():
        expected, base = theirs(x).logits, load_model(tiny_folder)(x).logits
        assert (expected - base).abs().max() > 1e-2
        assert torch.allclose(ours(x).logits, expected, atol=1e-5)
        assert torch.allclose(again(x).logits, expected, atol=1e-5)
    assert len(adapted_layers(ours)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_cayley_neumann": True}, "use_cayley_neumann=True describes other maps"),
        ({"use_cayley_neumann": False, "block_share": True}, "block_share=True"),
        ({"use_cayley_neumann": False, "coft": True}, "coft=True"),
    ],
)
def test_other_maps_are_refused(tiny_folder, tmp_path, options, message):
    saved(tiny_folder, tmp_path / "oft", OFTConfig(r=0, oft_block_size=4, target_modules=TARGETS, **options))
    with pytest.raises(CayleyError, match=message):
        from_oft(tmp_path / "oft", tmp_path / "cayley")
    assert not (tmp_path / "cayley").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"readout": "sign_constrained"}, "readout=sign_constrained has no counterpart"),
        ({"ansatz": "brickwork"}, "ansatz=brickwork has no counterpart"),
    ],
)
def test_blocks_that_oft_cannot_express_are_refused(tiny_folder, tmp_path, options, message):
    saved(tiny_folder, tmp_path / "ours", CayleyConfig(block_dim=4, target_modules=TARGETS, **options))
    with pytest.raises(CayleyError, match=message):
        to_oft(tmp_path / "ours", tmp_path / "oft")


def test_other_folders_are_refused(tiny_folder, tmp_path):
    with pytest.raises(CayleyError, match="no adapter that PEFT saved"):
        from_oft(tmp_path, tmp_path / "x")
    saved(tiny_folder, tmp_path / "ours", CayleyConfig(block_dim=4, target_modules=TARGETS))
    with pytest.raises(CayleyError, match="adapter of type CAYLEY, not one of OFTConfig"):
        from_oft(tmp_path / "ours", tmp_path / "x")
    config = OFTConfig(r=0, oft_block_size=16, use_cayley_neumann=False, target_modules=["v_proj"])
    saved(tiny_folder, tmp_path / "r", config)
    assert from_oft(tmp_path / "r", tmp_path / "y").block_dim == 16
