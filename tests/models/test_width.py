"""Width pruning: least squares against brute force, and a model that is what it says."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods.width import kept_groups, members_of, regular_moments, removal, solved
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.compression.widths import ATTENTION, MLP, SHAPES, LayerShape, Widths, even_widths

ALL, SMOLLM2 = (*ATTENTION, *MLP), LayerShape(576, 1536, 3, 3, 64)


def problem(seed: int, out: int = 5, inputs: int = 6, tokens: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs that depend on each other."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(inputs, tokens, generator=generator, dtype=torch.float64)
    mixed = torch.randn(inputs, inputs, generator=generator, dtype=torch.float64) @ x
    return torch.randn(out, inputs, generator=generator, dtype=torch.float64), mixed


def least(weight: torch.Tensor, x: torch.Tensor, kept: list[int]) -> tuple[torch.Tensor, float]:
    """The best weights for some inputs, by NumPy, and what they leave."""
    solved = np.linalg.lstsq(x[kept].T.numpy(), (weight @ x).T.numpy(), rcond=None)[0].T
    rest = float((weight @ x - torch.from_numpy(solved) @ x[kept]).square().sum() / (weight @ x).square().sum())
    return torch.from_numpy(solved), rest


def pruned(
    weight: torch.Tensor, x: torch.Tensor, remove: int, group: int = 1
) -> tuple[list[int], torch.Tensor, np.ndarray]:
    """Inputs that stay, their weights, and what is lost after each step."""
    moments = regular_moments(weight, x @ x.T, ridge=0.0)
    gone = removal(weight, moments, remove, group=group)
    kept = members_of(kept_groups(gone.order, weight.shape[1] // group), group)
    return kept.tolist(), solved(weight, moments, kept), gone.errors


@given(seed=st.integers(0, 1000), remove=st.integers(0, 5))
def test_what_stays_is_solved_by_least_squares(seed, remove):
    weight, x = problem(seed)
    kept, found, errors = pruned(weight, x, remove)
    assert len(kept) == 6 - remove
    best, rest = least(weight, x, kept)
    torch.testing.assert_close(found, best, rtol=1e-6, atol=1e-8)
    assert errors[-1] == pytest.approx(rest, rel=1e-6, abs=1e-12)
    assert (np.diff(errors) >= -1e-12).all()


@given(seed=st.integers(0, 1000))
def test_the_first_to_go_is_the_one_that_costs_least(seed):
    weight, x = problem(seed)
    every = [least(weight, x, [k for k in range(6) if k != gone])[1] for gone in range(6)]
    assert pruned(weight, x, 1)[2][-1] == pytest.approx(min(every), rel=1e-6, abs=1e-12)
    pairs = [least(weight, x, [k for k in range(6) if k // 2 != gone])[1] for gone in range(3)]
    assert pruned(weight, x, 1, group=2)[2][-1] == pytest.approx(min(pairs), rel=1e-6, abs=1e-12)


def test_greedy_choices_are_near_the_best_of_all():
    found = []
    for seed in range(20):
        weight, x = problem(seed)
        best = min(least(weight, x, list(kept))[1] for kept in itertools.combinations(range(6), 3))
        found.append(pruned(weight, x, 3)[2][-1] / best)
    assert min(found) == pytest.approx(1, rel=1e-6)
    assert np.median(found) < 1.2


@pytest.mark.parametrize("kind", ["dead", "repeated", "zero", "massive"])
def test_inputs_that_say_little_are_no_obstacle(kind):
    weight, x = problem(0)
    if kind == "dead":
        x[3:] = 0
    elif kind == "repeated":
        x[:] = x[:, :1]
    elif kind == "zero":
        x *= 0
    else:
        x[0] *= 1e4
    kept, found, _ = pruned(weight, x, 3)
    assert torch.isfinite(found).all()
    output = weight @ x
    rest = float((output - found @ x[kept]).square().sum())
    assert rest <= (1e-6 if kind in ("dead", "repeated", "zero") else 1) * max(float(output.square().sum()), 1e-30)


def test_no_numbers_are_refused():
    weight, x = problem(0)
    x[0, 0] = torch.nan
    with pytest.raises(CayleyError, match="not finite"):
        pruned(weight, x, 1)


def test_nothing_removed_is_the_same_model(tiny_model, tokens):
    before = tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits
    assert compress(tiny_model, 0.0, tokens=tokens, method="width") == []
    assert tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits.equal(before)


@pytest.mark.parametrize(("targets", "ratio"), [(MLP, 0.25), (ATTENTION, 0.5), (ALL, 0.375)])
def test_the_model_is_smaller_and_comes_back_to_the_last_digit(targets, ratio, tiny_model, tokens, tmp_path):
    records = compress(tiny_model, ratio, tokens=tokens, method="width", targets=targets)
    before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
    assert 1 - after / before == pytest.approx(ratio, abs=0.005)
    assert all(type(tiny_model.get_submodule(record["projection"])) is torch.nn.Linear for record in records)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "width"})
    ids = torch.as_tensor(tokens, dtype=torch.long)
    assert load_compressed(tmp_path / "model")(ids).logits.equal(tiny_model(ids).logits)


def test_others_load_what_is_alike_in_all_layers(tiny_model, tokens, tmp_path):
    from transformers import AutoModelForCausalLM

    records = compress(tiny_model, 0.375, tokens=tokens, method="width", targets=ALL)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "width"})
    plain, ids = AutoModelForCausalLM.from_pretrained(tmp_path / "model"), torch.as_tensor(tokens, dtype=torch.long)
    assert (plain.config.intermediate_size, plain.config.num_key_value_heads) == (44, 1)
    torch.testing.assert_close(plain(ids).logits, tiny_model(ids).logits, rtol=0, atol=0)


def test_half_a_unit_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="takes all of gate_proj, up_proj, down_proj, or none"):
        compress(tiny_model, 0.25, tokens=tokens, method="width", targets=("down_proj",))


def test_a_ratio_that_leaves_nothing_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="leaves none of 64 neurons"):
        compress(tiny_model, 0.995, tokens=tokens, method="width")


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("targets", [MLP, ALL])
@pytest.mark.parametrize("shape", [SMOLLM2, LayerShape(4096, 14336, 8, 4, 128), LayerShape(32, 64, 2, 2, 8)])
def test_ratios_are_met_within_half_a_percent(ratio, targets, shape):
    kept = even_widths(shape, targets, ratio)
    attention = len(targets) > 3
    total = shape.neurons * shape.neuron + attention * shape.groups * shape.group
    left = kept.neurons * shape.neuron + attention * kept.groups * shape.group
    assert 1 - left / total == pytest.approx(ratio, abs=0.005 if shape.hidden > 32 else 0.5 * shape.neuron / total)
    assert kept.neurons % 8 == 0 or shape.hidden == 32


def test_the_shape_of_the_paper_has_its_counts():
    given = SHAPES["paper"]
    layers = [Widths(896, 2)] * 22 + [Widths(896, 3)] * 8
    matrices = sum(kept.neurons * SMOLLM2.neuron + kept.groups * SMOLLM2.group for kept in layers)
    parameters = matrices + 49152 * 576 + (2 * 30 + 1) * 576
    assert round(parameters / 1e6, 2) == 94.85
    before = 30 * (1536 * SMOLLM2.neuron + 3 * SMOLLM2.group)
    assert given.ratio == pytest.approx(1 - matrices / before, rel=1e-12)
    inputs = sum(5 * 576 + 3 * 64 * kept.groups + kept.neurons for kept in layers)
    assert inputs // 4 * 6 == 189_504  # blocks of two qubits on all 210 projections, of six angles each


def test_losses_deal_out_the_same_total(tiny_model, tokens):
    even = compress(copy.deepcopy(tiny_model), 0.375, tokens=tokens, method="width", targets=ALL)
    dealt = compress(tiny_model, 0.375, tokens=tokens, method="width", targets=ALL, allocation="sensitivity")
    total = sum(item["parameters_before"] for item in even)
    removed = [total - kept_parameters(records, total) for records in (even, dealt)]
    assert removed[1] == pytest.approx(removed[0], abs=3 * 32 * 8 + 1)  # a unit of the MLP
    assert removed[1] >= removed[0]


def kept_parameters(records: list[dict], total: int) -> int:
    """Parameters that stay of ``total``; what is not in the records stays whole."""
    return total - sum(item["parameters_before"] - item["parameters_after"] for item in records)


def test_a_layer_that_matters_less_loses_more(tiny_model, tokens):
    loud, idle = (layer.mlp.down_proj.weight.data for layer in tiny_model.model.layers)
    loud *= 200
    idle *= 1e-3
    # A text that the model is sure of, so that each change of what it says is a loss.
    tiny_model.model.norm.weight.data *= 100
    start = torch.as_tensor(tokens[:, :1], dtype=torch.long)
    text = tiny_model.generate(start, max_new_tokens=23, min_new_tokens=23, do_sample=False).numpy()
    compress(tiny_model, 0.5, tokens=text, method="width", allocation="sensitivity")
    widths = [layer.mlp.down_proj.in_features for layer in tiny_model.model.layers]
    assert widths[1] < 32 < widths[0]


def test_several_files_are_loaded_by_others_too(tiny_folder, tokens, tmp_path):
    from transformers import AutoModelForCausalLM

    about = {"method": "width"}
    options = {"tokens": tokens, "method": "width", "targets": ALL, "part_bytes": 20_000}
    compress_folder(tiny_folder, tmp_path / "model", 0.375, about, **options)
    assert list((tmp_path / "model").glob("part-*.safetensors"))
    ids = torch.as_tensor(tokens, dtype=torch.long)
    plain, ours = AutoModelForCausalLM.from_pretrained(tmp_path / "model"), load_compressed(tmp_path / "model")
    assert plain(ids).logits.equal(ours(ids).logits)


def test_what_no_configuration_can_say_is_loaded_by_us(tokens, tmp_path):
    """Three heads do not divide a hidden size of 40."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 40, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 5}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=257, **sizes)).eval()
    records = compress(model, 0.4, tokens=tokens, method="width", targets=ALL)
    assert {layer.self_attn.o_proj.in_features for layer in model.model.layers} == {3 * 8}
    save_compressed(model, tmp_path / "model", records, {"method": "width"})
    ids = torch.as_tensor(tokens, dtype=torch.long)
    assert load_compressed(tmp_path / "model")(ids).logits.equal(model(ids).logits)


def test_the_shape_of_another_model_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="is of a model of 30 layers"):
        compress(tiny_model, 0.374, tokens=tokens, method="width", targets=ALL, shape="paper")
