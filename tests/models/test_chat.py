"""A conversation: every new token is one pass, what was read is not read again, and the answer is the model's own."""

from __future__ import annotations

import io

import pytest
import torch
from peft import get_peft_model

import cayley_adapters as ca
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.chat import Chat, Usage, read_texts


@pytest.fixture
def adapted(tiny_model):
    config = ca.CayleyConfig(block_dim=4, target_modules=["o_proj"], layers_to_transform=[1])
    model = get_peft_model(tiny_model, config).eval()
    torch.manual_seed(0)
    for layer in adapted_layers(model).values():
        torch.nn.init.normal_(layer.cayley_theta["default"], std=0.3)
    return model


class Counter:
    """Exact blocks that count the positions they run."""

    def __init__(self, model):
        blocks = {name: layer.blocks().detach() for name, layer in adapted_layers(model).items()}
        self.exact, self.passes = ca.ExactExecutor(blocks, "signed"), []

    def __call__(self, key, x):
        self.passes.append(x.shape[-2])
        return self.exact(key, x)


def greedy(model, ids, count):
    """The most probable tokens, without any cache."""
    ids = list(ids)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids


def test_each_token_is_one_pass_and_the_answer_is_the_models(adapted, tiny_folder):
    tokenizer = load_tokenizer(tiny_folder)
    prompt = tokenizer.encode("What is it?\n", add_special_tokens=False)
    expected = greedy(adapted, prompt, 6)
    counter, pieces = Counter(adapted), []
    ca.set_executor(adapted, counter)
    chat = Chat(adapted, tokenizer, new_tokens=6)
    answer = chat.say("What is it?", pieces.append)
    written = expected[len(prompt) :]
    assert answer == tokenizer.decode(written, skip_special_tokens=True)
    assert "".join(pieces).strip() == answer.strip()
    assert counter.passes == [len(prompt), 1, 1, 1, 1, 1]


def test_a_second_turn_reads_only_what_is_new(adapted, tiny_folder):
    tokenizer = load_tokenizer(tiny_folder)
    counter = Counter(adapted)
    ca.set_executor(adapted, counter)
    chat = Chat(adapted, tokenizer, new_tokens=4)
    first = chat.say("One?", lambda _: None)
    before = len(counter.passes)
    second = chat.say("Two?", lambda _: None)
    read = counter.passes[before]
    whole = tokenizer.encode(f"One?\n{first}\nTwo?\n", add_special_tokens=False)
    assert read < len(whole)
    assert read >= len(tokenizer.encode("Two?\n", add_special_tokens=False))
    ca.set_executor(adapted, None)
    assert second == tokenizer.decode(greedy(adapted, whole, 4)[len(whole) :], skip_special_tokens=True)


def test_a_seed_gives_the_same_draws(adapted, tiny_folder):
    tokenizer = load_tokenizer(tiny_folder)
    texts = [Chat(adapted, tokenizer, 8, temperature=1.5, seed=seed).say("Go", lambda _: None) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_what_a_turn_took_is_the_difference():
    total = Usage(5, 500, 2.5)
    assert total - Usage(2, 200, 1.0) == Usage(3, 300, 1.5)
    assert total.copy() == total
    assert total.copy() is not total


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_an_empty_line_ends_what_is_typed_and_not_what_is_piped():
    text = "One\n\n two \n"
    assert list(read_texts(io.StringIO(text))) == ["One", "two"]
    assert list(read_texts(Terminal(text))) == ["One"]
