"""The closed-form start: optimal rotations, and a model that it brings closer to the uncompressed one."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from scipy.linalg import orthogonal_procrustes

from cayley_adapters.adapters import CayleyConfig, adapted_layers, cayley
from cayley_adapters.compression import compress
from cayley_adapters.models import load_model
from cayley_adapters.training.start import procrustes, procrustes_start


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([2, 4, 8]))
def test_rotations_are_optimal(seed, d):
    generator = torch.manual_seed(seed)
    cross = torch.randn(3, d, d, dtype=torch.float64, generator=generator)
    q = procrustes(cross)
    assert (q.mT @ q - torch.eye(d)).abs().max() < 1e-12
    assert torch.allclose(torch.linalg.det(q), torch.ones(3, dtype=torch.float64))
    for one, c in zip(q, cross, strict=True):
        best, _ = orthogonal_procrustes(np.eye(d), c.numpy())
        if np.linalg.det(best) > 0:
            assert np.abs(one.numpy() - best).max() < 1e-9
    others = cayley(torch.randn(3, d * (d - 1) // 2, dtype=torch.float64, generator=generator))
    assert ((q * cross).sum((1, 2)) >= (others * cross).sum((1, 2)) - 1e-9).all()


def test_nothing_to_correct_leaves_the_identity(tiny_folder, tokens):
    model = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=["v_proj", "up_proj"]))
    procrustes_start(model, load_model(tiny_folder), tokens, batch_windows=4)
    for layer in adapted_layers(model).values():
        assert layer.cayley_theta["default"].abs().max() < 1e-3


def test_a_rotated_model_is_turned_back(tiny_folder, tokens):
    """Where the compressed model differs by rotations of its inputs alone, the start finds them."""
    teacher, student = load_model(tiny_folder), load_model(tiny_folder)
    theta = 0.3 * torch.randn(8, 6, generator=torch.manual_seed(0))
    weight = student.model.layers[0].self_attn.q_proj.weight
    weight.data = weight.data @ torch.block_diag(*cayley(theta)).T
    model = get_peft_model(student, CayleyConfig(block_dim=4, target_modules=["q_proj"]))
    procrustes_start(model, teacher, tokens)
    found = adapted_layers(model)["model.layers.0.self_attn.q_proj"].cayley_theta["default"]
    assert (found - theta).abs().mean() < 0.1 * theta.abs().mean()


def test_outputs_come_closer_on_compressed_projections(tiny_folder, tokens):
    teacher, student = load_model(tiny_folder), load_model(tiny_folder)
    compress(student, 0.4, tokens=tokens)
    batch = torch.as_tensor(tokens, dtype=torch.long)
    with torch.no_grad():
        wanted, before = teacher(batch).logits, student(batch).logits
        model = get_peft_model(student, CayleyConfig(block_dim=8, target_modules=["down_proj"])).eval()
        procrustes_start(model, teacher, tokens)
        assert (model(batch).logits - wanted).norm() < (before - wanted).norm()
