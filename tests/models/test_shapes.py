"""Shapes that are known without weights are those of the models."""

from __future__ import annotations

import json

import pytest

from cayley_adapters.models.shapes import PUBLISHED, TINY_RANDOM, model_shape


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120),
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_376_384),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
    ],
)
def test_published_sizes(name, parameters):
    """Against the number of parameters that each model's page states."""
    shape = model_shape({"source": "hub", "id": name, "revision": "main"})
    assert shape == PUBLISHED[name]
    assert shape.parameters == parameters


def test_a_folder_has_the_shape_of_its_model(tiny_folder, tiny_model):
    shape = model_shape({"source": "local", "path": str(tiny_folder)})
    assert shape == TINY_RANDOM == model_shape({"source": "random"})
    assert shape.parameters == sum(p.numel() for p in tiny_model.parameters())
    attention = tiny_model.model.layers[0].self_attn
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        module = getattr(attention, name)
        assert shape.projection(name) == (module.in_features, module.out_features)


def test_the_embedded_model_is_the_published_one():
    assert model_shape({"source": "embedded"}) == PUBLISHED["HuggingFaceTB/SmolLM2-135M-Instruct"]


def test_what_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert model_shape({"source": "hub", "id": "nobody/nothing", "revision": "0" * 40}) is None
    assert model_shape({"source": "local", "path": str(tmp_path)}) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_embd": 768}))
    assert model_shape({"source": "local", "path": str(tmp_path)}) is None
