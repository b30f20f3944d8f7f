"""Perplexity against a plain transformers loop, and its clustered error against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from windows import windows_of

from cayley_adapters.models.losses import clustered_error, perplexity_row, shot_error, token_losses


def test_perplexity_agrees_with_transformers_own_loss(tiny_model, tokens):
    """transformers' ``labels=`` shifts and averages by itself: an independent path to the same number."""
    losses = [
        tiny_model(input_ids=row[None], labels=row[None]).loss.item()
        for row in torch.as_tensor(tokens, dtype=torch.long)
    ]
    ours = perplexity_row(token_losses(tiny_model, tokens, batch_windows=4).ravel(), windows_of(tokens))
    assert ours["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)
    assert ours["tokens"] == 6 * 23


def test_batches_do_not_matter(tiny_model, tokens):
    assert np.allclose(token_losses(tiny_model, tokens, 1), token_losses(tiny_model, tokens, 5), atol=1e-5)


def test_clustered_error_matches_the_spread_of_repeated_draws():
    generator = np.random.default_rng(0)
    documents = np.repeat(np.arange(40), 25)
    means, errors = [], []
    for _ in range(300):
        losses = np.repeat(generator.normal(size=40), 25) + generator.normal(size=1000)
        means.append(losses.mean())
        errors.append(clustered_error(losses, documents))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    # Pretending that tokens are independent would give a fifth of it.
    assert np.mean(errors) > 3 * np.sqrt(2 / 1000)


def test_one_document_has_no_error():
    assert np.isnan(clustered_error(np.ones(5), np.zeros(5, int)))


def test_overflow_is_infinite_perplexity():
    assert perplexity_row(np.full(4, 1e4), windows_of(np.zeros((1, 5))))["perplexity"] == np.inf


def test_shot_error_matches_the_spread_of_repeated_draws():
    generator = np.random.default_rng(0)
    documents, tokens = np.repeat(np.arange(30), 20), 600
    true, common = generator.normal(3, 1, tokens), generator.uniform(0.1, 0.5, 30)

    def draw():  # the shots of one token move those after it in its document as well
        return true + generator.normal(0, 0.2, tokens) + (common * generator.normal(size=30))[documents]

    means = [draw().mean() for _ in range(2000)]
    part = documents < 15  # half of the text is run twice
    errors = [shot_error(draw()[part], draw()[part], documents[part], tokens) for _ in range(2000)]
    expected = np.sqrt((0.2**2 / tokens) + np.square(common[:15]).mean() / 30)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(expected, rel=0.05)
    assert np.std(means) == pytest.approx(np.sqrt(0.2**2 / tokens + np.square(common).mean() / 30), rel=0.05)
