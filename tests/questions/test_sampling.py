"""Sampled choices against their distribution, and sampled texts."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.questions.sampling import choice_probabilities, disagreement, draw_choices, generate_texts

VALUES = np.log([0.5, 0.3, 0.2])


def test_temperature_sharpens_and_flattens():
    assert choice_probabilities(VALUES, 1) == pytest.approx([0.5, 0.3, 0.2])
    assert choice_probabilities(VALUES, 0.5) == pytest.approx(np.array([25, 9, 4]) / 38)
    assert choice_probabilities(VALUES - 1e4, 1e-3) == pytest.approx([1, 0, 0])
    assert choice_probabilities(np.array([-1.0, -1.0, np.nan]), 3) == pytest.approx([0.5, 0.5, 0])


def test_draws_follow_the_distribution_and_the_seed():
    counts = draw_choices(VALUES, 1, 100_000, [3])
    assert counts.sum() == 100_000
    assert counts / 100_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert (counts == draw_choices(VALUES, 1, 100_000, [3])).all()
    assert (counts != draw_choices(VALUES, 1, 100_000, [4])).any()


def test_the_questions_on_which_arms_disagree_most():
    right = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 1, 0]], dtype=bool)
    assert disagreement(right, 2).tolist() == [2, 1]
    assert disagreement(right, 9).tolist() == [2, 1, 3]
    assert disagreement(right, 0).tolist() == []


def test_texts_come_from_the_models_distribution(tiny_model, tokenizer):
    """Next tokens after a short and a padded prompt, each against the probabilities of a plain run."""
    import torch

    prompts, count = ["abc", "a longer prompt"], 3000
    written = generate_texts(tiny_model, tokenizer, prompts, 0.7, count, 1, seed=0)
    for prompt, texts in zip(prompts, written, strict=True):
        with torch.no_grad():
            logits = tiny_model(input_ids=torch.tensor([tokenizer.encode(prompt)])).logits[0, -1].double()
        expected: dict[str, float] = {}
        for token, share in enumerate((logits / 0.7).softmax(-1).tolist()):
            text = tokenizer.decode([token], skip_special_tokens=True)
            expected[text] = expected.get(text, 0) + share
        for text, share in expected.items():
            assert texts.count(text) / count == pytest.approx(share, abs=5 * (share / count) ** 0.5 + 1e-3)


def test_the_same_seed_writes_the_same(tiny_model, tokenizer):
    import torch

    state = torch.random.get_rng_state()
    one, again, other = (generate_texts(tiny_model, tokenizer, ["abc"], 1.0, 3, 8, seed) for seed in (0, 0, 1))
    assert one == again != other
    assert len(one[0]) == 3
    assert torch.equal(torch.random.get_rng_state(), state)
