"""Windows and splits."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models import wheels
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.corpus import PARTS, build_windows, load_windows, save_windows


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    return load_tokenizer(tiny_folder)


def group(tmp_path, train: str, test: str, window: int = 16) -> dict:
    (tmp_path / "train.txt").write_text(train, encoding="utf-8")
    (tmp_path / "test.txt").write_text(test, encoding="utf-8")
    paths = {"train": [str(tmp_path / "train.txt")], "test": str(tmp_path / "test.txt")}
    return {"name": "text", "source": "text", "window": window, **paths}


def test_encyclopedia_parts_share_no_text(tokenizer):
    """Read the windows back as text: every document is in one part only, and all parts together are the wheel's."""
    parts = build_windows({"name": "e", "source": "encyclopedia", "window": 4096}, tokenizer)
    texts = {name: set("".join(tokenizer.batch_decode(parts[name].tokens)).split("<|endoftext|>")) for name in PARTS}
    for one, other in combinations(PARTS, 2):
        assert not {text for text in texts[one] & texts[other] if len(text) > 40}
    articles = json.loads(wheels.fetch(wheels.ENCYCLOPEDIA).read_text(encoding="utf-8"))
    assert sum(map(len, texts.values())) > 0.95 * len({article["extract"].strip() for article in articles.values()})
    assert len(parts["train"].tokens) > 6 * len(parts["test"].tokens)


def test_documents_follow_the_tokens(tokenizer):
    parts = build_windows({"name": "e", "source": "encyclopedia", "window": 64}, tokenizer)
    tokens, documents = parts["test"].tokens.ravel(), parts["test"].documents.ravel()
    ends = np.flatnonzero(tokens == tokenizer.eos_token_id)
    assert np.array_equal(np.flatnonzero(np.diff(documents)), ends[ends < len(tokens) - 1])


def test_text_files_are_split_in_contiguous_parts(tmp_path, tokenizer):
    train = "".join(f"line {index}\n" for index in range(100))
    parts = build_windows(group(tmp_path, train, "the test text, long enough for a window"), tokenizer)
    joined = {name: tokenizer.decode(parts[name].tokens.ravel()) for name in PARTS}
    assert train.startswith(joined["train"].split("<|")[0])
    assert joined["calibration"].split("<|")[0] in train[len(joined["train"]) - 20 :]
    assert joined["test"].startswith("the test text")


def test_windows_round_trip(tmp_path, tokenizer):
    parts = build_windows(group(tmp_path, "abcdefghij\n" * 40, "0123456789" * 4), tokenizer)
    save_windows(parts, tmp_path / "w.safetensors")
    again = load_windows(tmp_path / "w.safetensors", "train")
    assert np.array_equal(again.tokens, parts["train"].tokens)
    assert np.array_equal(again.documents, parts["train"].documents)


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
