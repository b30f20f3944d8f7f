"""Architectures that are like Llama and not Llama: each is right, or refused."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, FUSED, made, saved
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import check_model, load_model, projections
from cayley_adapters.models.compression.observation import text_loss
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.layerwise import from_layer, layer_inputs, run_layer
from cayley_adapters.models.proof import prove_layers
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.settings import compose


@pytest.fixture(params=FAMILIES)
def kind(request) -> str:
    return request.param


@pytest.fixture
def model(kind):
    return made(kind).requires_grad_(False)


def ids(tokens: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(tokens, dtype=torch.long)


def test_the_layers_of_a_family_are_proved(model, tokens):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert prove_layers(model, tokens) < 1e-5
    assert prove_layers(model, tokens[:1]) < 1e-5
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@torch.no_grad()
def test_layers_alone_are_the_model(model, tokens):
    """Batches of several sizes, each layer with the mask and the rotary embedding that the model gives it."""
    expected = model(ids(tokens), output_hidden_states=True)
    states, calls = layer_inputs(model, [tokens[:4], tokens[4:]])
    for index, layer in enumerate(model.model.layers):
        assert torch.allclose(torch.cat(states), expected.hidden_states[index], atol=1e-5)
        loss = text_loss(model, index, torch.cat(states), calls, ids(tokens), nullcontext)
        assert loss == pytest.approx(
            float(nn.functional.cross_entropy(expected.logits[:, :-1].flatten(0, 1), ids(tokens)[:, 1:].flatten())),
            abs=1e-4,
        )
        with from_layer(model, index):
            started = model(inputs_embeds=torch.cat(states), use_cache=False).logits
        assert torch.allclose(started, expected.logits, atol=1e-4)
        states = run_layer(layer, states, calls[index])
    with from_layer(model, 0):
        assert torch.equal(model(ids(tokens)).logits, expected.logits)
    assert torch.equal(model(ids(tokens)).logits, expected.logits)


class Shifted(nn.Module):
    """A layer that reads more than what it is called with: how often it was called."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.calls = layer, 0

    def __getattr__(self, name):
        return super().__getattr__(name) if name in ("layer", "mlp") else getattr(super().__getattr__("layer"), name)

    @property
    def mlp(self):
        return self.layer.mlp

    def forward(self, states, **kwargs):
        self.calls += 1
        return self.layer(states, **kwargs) + 0.1 * self.calls


def test_what_computes_otherwise_is_refused_with_the_first_place(tokens):
    model = made("Llama")
    model.model.layers[1] = Shifted(model.model.layers[1])
    with pytest.raises(CayleyError, match=r"LlamaForCausalLM computes otherwise .* after layer 1 "):
        prove_layers(model, tokens)
    model = made("Llama")
    model.model.layers[1].mlp = nn.Identity()
    with pytest.raises(CayleyError, match=r"LlamaForCausalLM cannot be run layer by layer"):
        prove_layers(model, tokens)


@pytest.mark.parametrize("allocation", ["uniform", "sensitivity"])
def test_a_family_is_compressed_on_the_states_that_it_has(kind, model, tokens, allocation):
    """Every layer's error is that on what the compressed layers below really give it."""
    targets = ("down_proj",) if kind in FUSED else ("gate_proj", "up_proj", "down_proj")
    original = {name: module for name, module in made(kind).named_modules() if isinstance(module, nn.Linear)}
    records = compress(model, 0.4, tokens=tokens, targets=targets, allocation=allocation, ridge=1e-6)
    seen: dict[str, torch.Tensor] = {}
    for record in records:
        name = record["projection"]
        model.get_submodule(name).register_forward_pre_hook(
            lambda _, args, name=name: seen.__setitem__(name, args[0].flatten(0, -2))
        )
    with torch.no_grad():
        model(ids(tokens))
        for record in records:
            if record["projection"].endswith("down_proj"):
                continue  # calibrated before its gate and up were replaced
            name = record["projection"]
            x, smaller = seen[name], model.get_submodule(name)
            expected = original[name](x)
            assert (smaller(x) - expected).norm() / expected.norm() == pytest.approx(record["relative_error"], rel=0.02)
    assert torch.isfinite(model(ids(tokens)).logits).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("tied", [True, False])
def test_at_ratio_0_both_models_are_one(kind, dtype, tied, tiny_folder, tokens, tmp_path):
    """The reference and the compressed model, to the last digit; and the reference is what transformers loads."""
    folder = saved(kind, tmp_path / "m", tiny_folder, dtype, tied)
    for used in ("float32", "bfloat16"):
        check_model({"source": "local"}, folder)
        compress_folder(folder, tmp_path / used, 0.0, {"method": "none"}, tokens=None, dtype=used)
        reference = load_model(folder, used)(ids(tokens)).logits
        assert torch.equal(reference, load_compressed(tmp_path / used)(ids(tokens)).logits)
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, used)).eval()
        assert torch.equal(reference, theirs(ids(tokens)).logits)


def test_the_files_say_whether_there_is_a_head(kind, tiny_folder, tokens, tmp_path):
    """A configuration that ties a head which the files hold apart."""
    folder = saved(kind, tmp_path / "m", tiny_folder, tied=False)
    config = (folder / "config.json").read_text()
    assert '"tie_word_embeddings": false' in config
    (folder / "config.json").write_text(config.replace('"tie_word_embeddings": false', '"tie_word_embeddings": true'))
    reference = load_model(folder)(ids(tokens)).logits
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert torch.equal(reference, theirs(ids(tokens)).logits)
    compress_folder(folder, tmp_path / "c", 0.0, {"method": "none"}, tokens=None)
    assert torch.equal(load_compressed(tmp_path / "c")(ids(tokens)).logits, reference)
    save_compressed(theirs, tmp_path / "s", [], {"method": "none"})
    assert torch.equal(load_compressed(tmp_path / "s")(ids(tokens)).logits, reference)


@pytest.mark.parametrize("kind", FUSED)
def test_projections_that_are_stored_as_one_are_named_before_any_work(kind, tiny_folder, tmp_path):
    folder = saved(kind, tmp_path / "m", tiny_folder)
    with pytest.raises(CayleyError) as refused:
        require_feasible(compose("ci", ["model=local", f"model.path={folder}"]))
    first, second = str(refused.value).splitlines()
    assert "compress.targets=[gate_proj,up_proj,down_proj]: m has no gate_proj, up_proj; its layers have" in first
    assert "gate_up_proj" in first
    assert "type compress.targets=[o_proj,down_proj]" in first
    assert "train.targets=[v_proj,o_proj]: m has no v_proj" in second
    able = ["compress.targets=[down_proj]", "train.targets=[o_proj]"]
    require_feasible(compose("ci", ["model=local", f"model.path={folder}", *able]))
    with pytest.raises(CayleyError, match=r"no projection named gate_proj; its layers have o_proj, qkv_proj"):
        projections(load_model(folder), ["gate_proj", "down_proj"])


ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize("allocation", ["uniform", "sensitivity"])
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in FUSED])
def test_a_family_is_pruned_or_refused(model, kind, tokens, allocation):
    def prune(targets: tuple[str, ...]) -> None:
        compress(model, 0.4, tokens=tokens, method="width", allocation=allocation, targets=targets)

    if kind == "Olmo2":
        with pytest.raises(CayleyError, match=r"q_norm\.weight, which spans all heads.*leave q_proj, k_proj"):
            prune(ALL)
        prune(ALL[4:])
    else:
        prune(ALL)
    assert model.model.layers[0].mlp.down_proj.in_features < model.config.intermediate_size
    assert torch.isfinite(model(ids(tokens)).logits).all()
