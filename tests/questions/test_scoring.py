"""Log-likelihoods against a plain loop and against lm-evaluation-harness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.scoring import answers, encode_pair, encode_set, log_likelihoods
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor


def one_by_one(model, encoded) -> np.ndarray:
    """Each choice alone behind its prompt, nothing packed."""
    found = np.full((len(encoded), max(len(rests) for _, rests in encoded)), np.nan)
    for row, (prompt, rests) in zip(found, encoded, strict=True):
        for place, rest in enumerate(rests):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + rest])).logits[0]
            logs = logits.double().log_softmax(-1)[len(prompt) - 1 : -1]
            row[place] = logs[torch.arange(len(rest)), rest].sum()
    return found


@pytest.mark.parametrize("batch_tokens", [1, 150, 10_000])
def test_packing_changes_nothing(tiny_model, tokenizer, items, batch_tokens):
    model, encoded = tiny_model.double(), encode_set(tokenizer, items, None)
    done = []
    found = log_likelihoods(model, encoded, batch_tokens, lambda *step: done.append(step))
    np.testing.assert_allclose(found, one_by_one(model, encoded), rtol=0, atol=1e-10)
    assert done[-1] == (8, 8)
    assert len(done) == {1: 8, 10_000: 1}.get(batch_tokens, len(done))


def test_agreement_with_the_harness(tiny_model, tokenizer, items):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = tiny_model.double()
    reference = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4)
    requests = [
        Instance("loglikelihood", {}, (item.prompt, continuation), 0)
        for item in items
        for continuation in item.continuations
    ]
    expected = [value for value, _ in reference.loglikelihood(requests, disable_tqdm=True)]
    found = log_likelihoods(model, encode_set(tokenizer, items, None), 400)
    np.testing.assert_allclose(found[~np.isnan(found)], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("prompt", "rest"), [("a b", " c"), ("a b ", "c"), ("a\n\n", " c d")])
def test_pairs_are_split_as_the_harness_splits_them(tiny_model, tokenizer, prompt, rest):
    from lm_eval.models.huggingface import HFLM

    reference = HFLM(pretrained=tiny_model, tokenizer=tokenizer)
    assert encode_pair(tokenizer, prompt, rest) == tuple(reference._encode_pair(prompt, rest))


def test_a_question_that_the_model_cannot_read_is_named(tokenizer, items):
    with pytest.raises(CayleyError, match=r"question 'q\d' has \d+ tokens, and the model reads at most 40"):
        encode_set(tokenizer, items, 40)


def test_the_answer_is_the_likeliest_choice_or_the_likeliest_a_character():
    values = np.array([[-4.0, -3.0, np.nan], [-1.0, -1.0, -2.0]])
    assert answers(values).tolist() == [1, 0]
    assert answers(values, np.array([[8.0, 2.0, np.nan], [1.0, 2.0, 4.0]])).tolist() == [0, 1]


def test_blocks_and_noise_answer_through_their_executor(tiny_model, tokenizer, items):
    from peft import get_peft_model

    encoded = encode_set(tokenizer, items, None)
    plain = log_likelihoods(tiny_model, encoded, 400)
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=["v_proj", "o_proj"])).eval()
    generator = torch.manual_seed(0)
    layers = adapted_layers(model)
    for layer in layers.values():
        torch.nn.init.normal_(layer.cayley_theta["default"].data, std=0.3, generator=generator)
    blocks = {name: cayley(layer.cayley_theta["default"].detach().double()) for name, layer in layers.items()}
    with model.disable_adapter():
        np.testing.assert_array_equal(log_likelihoods(model, encoded, 400), plain)
    own = log_likelihoods(model, encoded, 400)
    set_executor(model, ExactExecutor(blocks, "signed"))
    np.testing.assert_allclose(log_likelihoods(model, encoded, 400), own, atol=1e-3)
    assert np.nanmax(np.abs(own - plain)) > 0.1
    compiled = {name: compile_blocks(q.numpy(), DeviceNoise.from_backend("FakeFez")) for name, q in blocks.items()}
    noisy = []
    for seed in (0, 0, 1):
        set_executor(model, NoisyExecutor(compiled, 8192, np.random.SeedSequence(seed)))
        noisy.append(log_likelihoods(model, encoded, 400))
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert np.nanmax(np.abs(noisy[0] - noisy[2])) > 0
