"""Models by the names that people call them by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cayley_adapters as ca
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.corpus import text_windows
from cayley_adapters.models.named import about_model, described, tokenizer_of
from cayley_adapters.settings import compose

TEXT = "to be or not to be, that is the question " * 12


@pytest.mark.parametrize("preset", ["smollm2_135m", "tiny_random", "smollm2_360m", "llama31_8b"])
def test_a_preset_means_the_same_as_in_the_configuration(preset: str) -> None:
    [settings] = compose("ci", [f"model={preset}"])
    assert described(preset) == settings.model.model_dump(mode="json")


def test_other_names_are_folders_files_and_ids_of_the_hub(tiny_folder: Path, tmp_path: Path) -> None:
    found = described(tiny_folder)
    assert (found["source"], found["name"], found["path"]) == ("local", tiny_folder.name, str(tiny_folder))
    found = described("HuggingFaceTB/SmolLM2-135M", revision="abc")
    assert (found["source"], found["id"], found["revision"], found["dtype"]) == (
        "hub",
        "HuggingFaceTB/SmolLM2-135M",
        "abc",
        "float32",
    )


@pytest.mark.parametrize(
    ("name", "fragments"),
    [
        ("smolm2_135m", ["did you mean 'smollm2_135m'?", "tiny_random", "ORGANISATION/NAME"]),
        ("local", ["no preset", "Known: "]),  # of the configuration, where it needs a path
        ("nothing.gguf", ["nothing.gguf is no file"]),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(name: str, fragments: list[str], tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CayleyError) as caught:
        ca.load(name)
    assert [fragment for fragment in fragments if fragment.lower() not in str(caught.value).lower()] == []


def test_what_is_no_gguf_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(CayleyError, match=r"model\.gguf is no GGUF of a language model that transformers can read"):
        ca.load(tmp_path / "model.gguf")
    assert not [path for path in (tmp_path / "cache/models").iterdir() if path.is_dir()]


def test_a_folder_of_a_stranger_is_checked(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "theirs")
    (folder / "config.json").write_text(
        json.dumps(json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoModel": "theirs.Model"}})
    )
    with pytest.raises(CayleyError, match="its own Python code"):
        ca.load(folder)


def test_a_model_knows_its_name_and_its_tokenizer(tiny_folder: Path) -> None:
    model = ca.load("tiny_random")
    assert about_model(model)["model"] == "tiny_random"
    assert tokenizer_of(model).decode(tokenizer_of(model).encode("hi there")) == "hi there"


def test_a_model_that_was_loaded_from_nowhere_says_what_to_give() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=300, **sizes))
    with pytest.raises(CayleyError, match="give tokenizer="):
        ca.perplexity(model, TEXT, window=32)
    assert ca.perplexity(model, TEXT, window=32, tokenizer=tokenizer_of(ca.load("tiny_random"))) > 1


def test_windows_are_those_of_the_documents_in_a_row() -> None:
    tokenizer = tokenizer_of(ca.load("tiny_random"))
    found = text_windows(["abcd", "efg"], tokenizer, 4)
    between = tokenizer.encode("\n\n")
    row = [*tokenizer.encode("abcd"), *between, *tokenizer.encode("efg"), *between]
    assert found.tokens.ravel().tolist() == row[:8]
    assert np.array_equal(found.documents, [[0, 0, 0, 0], [0, 0, 1, 1]])
    assert np.array_equal(found.scored, [[1, 1, 1, 1], [0, 0, 1, 1]])


@pytest.mark.parametrize("text", [3, [], ["a", 3], None])
def test_what_is_no_text_is_refused(text) -> None:
    with pytest.raises((CayleyError, TypeError)):
        ca.perplexity(ca.load("tiny_random"), text, window=32)


def test_a_text_shorter_than_a_window_says_which_key_to_lower() -> None:
    with pytest.raises(CayleyError, match=r"one window needs window=256\. Give more text or lower window\."):
        ca.perplexity(ca.load("tiny_random"), "short")


def test_generated_text_follows_the_seed_and_the_prompt() -> None:
    model = ca.load("tiny_random")
    drawn = [ca.generate(model, "abc", new_tokens=8, temperature=1.0, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert ca.generate(model, "abc", new_tokens=8) == ca.generate(model, "abc", new_tokens=8, seed=5)
    with pytest.raises(CayleyError, match="at least one word"):
        ca.generate(model, "")
