"""The same checks on the real SmolLM2-135M, on one window of real text, where they are cheap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.models.base import load_model, load_tokenizer, locate
from cayley_adapters.models.corpus import build_windows
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.packaged import packaged_gguf
from cayley_adapters.models.proof import prove_layers
from cayley_adapters.models.texts import encyclopedia
from cayley_adapters.questions.encyclopedia import encyclopedia_questions
from cayley_adapters.questions.items import prompted, spread
from cayley_adapters.questions.scoring import encode_set, log_likelihoods
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor

SMOLLM2 = {"name": "smollm2_135m", "source": "embedded"}


@pytest.fixture(scope="module")
def model():
    return load_model(locate(SMOLLM2))


@pytest.fixture(scope="module")
def window():
    data = {"name": "encyclopedia", "source": "encyclopedia", "window": 128}
    return build_windows(data, load_tokenizer(locate(SMOLLM2)))["test"].tokens[:1]


def test_its_layers_run_alone_are_the_model(model, window):
    assert prove_layers(model, window) < 1e-5


def test_the_users_own_gguf_is_the_same_model(tmp_path, monkeypatch):
    gguf = packaged_gguf(SMOLLM2)
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    own = locate({"name": "own", "source": "gguf", "path": str(gguf)})
    assert own.parent == tmp_path / "models"
    monkeypatch.undo()
    for name in ("model.safetensors", "tokenizer.json"):
        assert (own / name).read_bytes() == (locate(SMOLLM2) / name).read_bytes()


def test_it_is_the_model_that_it_should_be(model):
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert len(model.model.layers) == 30


def test_perplexity_agrees_with_a_plain_transformers_loop(model, window):
    x = torch.as_tensor(window, dtype=torch.long)
    with torch.no_grad():
        expected = model(input_ids=x, labels=x).loss.item()
    perplexity = np.exp(token_losses(model, window, 1).mean())
    assert perplexity == pytest.approx(np.exp(expected), rel=1e-4)
    assert 5 < perplexity < 60  # a language model that reads English


def test_questions_are_scored_as_the_harness_scores_them(model):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    tokenizer = load_tokenizer(locate(SMOLLM2))
    items = [prompted(item, "cloze") for item in spread(encyclopedia_questions(encyclopedia()).items, 20)]
    ours = log_likelihoods(model, encode_set(tokenizer, items, 8192), 512)
    requests = [
        Instance("loglikelihood", {}, (item.prompt, continuation), 0)
        for item in items
        for continuation in item.continuations
    ]
    reference = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8).loglikelihood(requests, disable_tqdm=True)
    theirs = np.array([value for value, _ in reference]).reshape(20, 4)
    assert np.abs(ours - theirs).max() < 2e-4  # float32 sums in another order; values are around −20
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    assert (ours.argmax(axis=1) == [item.answer for item in items]).mean() > 0.4  # chance is 0.25


def test_blocks_and_executors_agree(model, window):
    from peft import get_peft_model

    before = token_losses(model, window, 1)
    adapted = get_peft_model(model, CayleyConfig(block_dim=4, target_modules=["v_proj", "o_proj"])).eval()
    try:
        layers = adapted_layers(adapted)
        assert sum(layer.cayley_theta["default"].numel() for layer in layers.values()) == 60 * 144 * 6
        assert np.abs(token_losses(adapted, window, 1) - before).max() < 1e-4
        generator = torch.manual_seed(0)
        for layer in layers.values():
            torch.nn.init.normal_(layer.cayley_theta["default"].data, std=0.05, generator=generator)
        blocks = {name: cayley(layer.cayley_theta["default"].detach().double()) for name, layer in layers.items()}
        set_executor(adapted, ExactExecutor(blocks, "sign_constrained"))
        exact = token_losses(adapted, window, 1).mean()
        ideal = {name: compile_blocks(q.numpy()) for name, q in blocks.items()}
        set_executor(adapted, NoisyExecutor(ideal, np.inf, np.random.SeedSequence(0)))
        assert token_losses(adapted, window, 1).mean() == pytest.approx(exact, abs=2e-3)
        noise = DeviceNoise.from_backend("FakeFez")
        noisy = {name: compile_blocks(q.numpy(), noise) for name, q in blocks.items()}
        set_executor(adapted, NoisyExecutor(noisy, np.inf, np.random.SeedSequence(0)))
        assert token_losses(adapted, window, 1).mean() > exact + 0.01
    finally:
        adapted.unload()
