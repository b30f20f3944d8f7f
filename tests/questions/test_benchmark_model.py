"""The harness's model object: the harness's own numbers, and noise that hangs on a request alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import set_executor, trained_blocks
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.models.base import load_model
from cayley_adapters.models.corpus import window_of
from cayley_adapters.models.losses import perplexity_row, token_losses
from cayley_adapters.questions.benchmarks.asking import ask_tasks, scores
from cayley_adapters.questions.benchmarks.documents import DOCUMENTS
from cayley_adapters.questions.benchmarks.language_model import harness_model
from cayley_adapters.questions.benchmarks.requests import Answered
from cayley_adapters.questions.benchmarks.tasks import find_tasks, fresh_tasks
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import NoisyExecutor
from cayley_adapters.simulation.requests import by_request

TEXT = "The flute is a member of a family of musical instruments in the woodwind group."
PAIRS = [("The flute is", " a member"), ("The flute is", " red"), ("A tadpole", " or polliwog is young")]
GREEDY = {"until": ["\n"], "do_sample": False, "max_gen_toks": 5}
DRAWN = {"until": ["\n"], "do_sample": True, "temperature": 1.0, "max_gen_toks": 5}


def requests(kind: str, arguments: list[tuple]) -> list:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, given, number) for number, given in enumerate(arguments)]


def ask(model, kind: str, arguments: list[tuple]) -> list:
    return getattr(model, kind)(requests(kind, arguments))


EVERY_KIND = {
    "loglikelihood": PAIRS,
    "loglikelihood_rolling": [(TEXT,), (TEXT[::-1],)],
    "generate_until": [(TEXT, GREEDY), ("1 + 2 =", GREEDY)],
}


@pytest.fixture(scope="module")
def blocks(tiny_folder):
    """The tiny model with random blocks d = 4, and what makes its executor under noise."""
    from peft import get_peft_model

    model = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=["v_proj", "o_proj"]))
    model.eval()
    generator = torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "cayley_theta" in name:
            torch.nn.init.normal_(parameter.data, std=0.3, generator=generator)
    device = DeviceNoise.from_backend("FakeFez")
    return model, {name: compile_blocks(q.numpy(), device) for name, q in trained_blocks(model).items()}


@pytest.fixture
def noisy(blocks, tokenizer):
    """Makes the model object of the blocks under noise, with shots of a seed."""

    def make(seed: int = 0, **options):
        model, compiled = blocks
        executor = NoisyExecutor(compiled, shots=256)
        set_executor(model, executor)
        return harness_model(model, tokenizer, by_request(executor, seed), **options)

    return make


def test_identity_blocks_give_the_numbers_of_the_harness_on_a_plain_model(tiny_folder, tokenizer):
    from lm_eval.models.huggingface import HFLM
    from peft import get_peft_model

    loaded = find_tasks(list(DOCUMENTS))
    fresh_tasks(loaded, None)
    plain = ask_tasks(HFLM(pretrained=load_model(tiny_folder), tokenizer=tokenizer), loaded, 2)
    model = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=["v_proj", "o_proj"]))
    ours = ask_tasks(harness_model(model, tokenizer), loaded, 2)
    assert set(ours["results"]) == set(DOCUMENTS)
    assert ours["results"] == plain["results"]  # to the last digit
    assert scores("a", ours).equals(scores("a", plain))


def test_perplexity_a_word_is_that_of_the_map(tiny_model, tokenizer):
    loaded = find_tasks(["encyclopedia_words"])
    words = loaded["tasks"]["encyclopedia_words"]
    shortest = min(words.dataset["test"]["text"], key=len)  # one that a window of the tiny model holds
    words.dataset["test"] = words.dataset["test"].filter(lambda row: row["text"] == shortest)
    found = ask_tasks(harness_model(tiny_model, tokenizer), loaded, None)
    text = window_of(shortest, tokenizer)
    # The harness lets a text begin with a token of its own, which a window of the map reads and does not score.
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    whole = text.map(lambda values: np.hstack([np.zeros_like(values[:, :1]), values]))
    whole.tokens[0, 0] = first
    row = perplexity_row(whole.select(token_losses(tiny_model, whole.tokens, 1)), whole)
    results = found["results"]["encyclopedia_words"]
    assert results["word_perplexity,none"] == pytest.approx(row["word_perplexity"], rel=1e-4)
    assert results["bits_per_byte,none"] == pytest.approx(row["bits_per_byte"], rel=1e-6)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_noise_hangs_on_a_request_alone(noisy, kind):
    arguments = EVERY_KIND[kind]
    together = ask(noisy(), kind, arguments)
    assert ask(noisy(), kind, arguments[::-1])[::-1] == together
    assert [ask(noisy(), kind, [given])[0] for given in arguments] == together
    if kind != "generate_until":  # a text may be the same with other shots
        assert all(one != other for one, other in zip(ask(noisy(1), kind, arguments), together, strict=True))


def test_generation_under_noise_is_one_pass_a_token(noisy, blocks):
    model, _ = blocks
    lengths = []
    hook = model.register_forward_pre_hook(
        lambda _, given, named: lengths.append((named.get("input_ids", given[0] if given else None)).shape[1]),
        with_kwargs=True,
    )
    inner = model.get_base_model().register_forward_pre_hook(
        lambda _, given, named: lengths.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    (text,) = ask(noisy(), "generate_until", [(TEXT, GREEDY)])
    hook.remove()
    inner.remove()
    assert isinstance(text, str)
    assert lengths[0] > 5
    assert 1 <= len(lengths) <= 5
    assert set(lengths[1:]) <= {1}


def test_a_text_that_is_asked_for_twice_is_drawn_twice(tiny_model, tokenizer):
    drawn = ask(harness_model(tiny_model, tokenizer), "generate_until", [(TEXT, DRAWN)] * 3)
    assert len(set(drawn)) > 1
    assert ask(harness_model(tiny_model, tokenizer), "generate_until", [(TEXT, DRAWN)] * 3) == drawn


def test_what_was_answered_is_not_asked_again(noisy, blocks, tmp_path):
    path, passes = tmp_path / "answers.jsonl", []
    hook = blocks[0].get_base_model().register_forward_pre_hook(lambda *_: passes.append(1))

    def answers(key: str) -> list:
        known = Answered(path, key)
        passes.clear()
        found = [ask(noisy(answered=known), kind, arguments) for kind, arguments in EVERY_KIND.items()]
        known.close()
        return found

    first, needed = answers("a"), len(passes)
    assert answers("a") == first
    assert passes == []
    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == "a"
    path.write_text("\n".join([*lines[:3], lines[3][: len(lines[3]) // 2]]), encoding="utf-8")  # cut off within a line
    assert answers("a") == first
    assert 0 < len(passes) < needed
    answers("b")  # other weights, other noise, other code
    assert len(passes) == needed
    hook.remove()
