"""What goes along when a model is made of another: all that a tokenizer or a generation configuration needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models import tokenizers
from cayley_adapters.models.base import check_model, load_model, load_tokenizer
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.files import companions
from cayley_adapters.models.hashes import model_hashes

TEXT = "Two rivers met below the mill.\n"


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def compressed(folder: Path) -> Path:
    target = folder.parent / "compressed"
    compress_folder(folder, target, 0.0, {"method": "none"}, tokens=None)
    return target


def in_two_files(folder: Path) -> None:
    """The same tokenizer as GPT-2's is kept: a vocabulary and its merges, each in a file of its own."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    for path in folder.glob("token*"):
        path.unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    about = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def test_a_tokenizer_in_several_files_goes_along(folder):
    in_two_files(folder)
    check_model({"source": "local"}, folder)
    target = compressed(folder)
    assert {"vocab.json", "merges.txt", "tokenizer_config.json"} <= {path.name for path in target.iterdir()}
    ids = load_tokenizer(target).encode(TEXT)
    assert ids == load_tokenizer(folder).encode(TEXT)
    assert len(ids) == len(TEXT)


def test_a_tokenizer_without_its_vocabulary_is_refused(folder):
    in_two_files(folder)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    with pytest.raises(CayleyError, match=r"none of a plain text: its vocabulary is missing"):
        check_model({"source": "local"}, folder)


def test_files_of_any_name_go_along_but_no_code(folder):
    kept = ("words.vocab", "spelling.tiktoken", "chat_template.jinja", "LICENSE", "added_tokens.json")
    left = ("modeling_own.py", "pytorch_model.bin", "model.onnx", "README.md", ".gitattributes")
    for name in (*kept, *left):
        (folder / name).write_text("{}")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("x")
    found = {path.relative_to(folder).as_posix() for path in companions(folder)}
    assert {*kept, "additional_chat_templates/tools.jinja", "tokenizer.json"} <= found
    assert found.isdisjoint({*left, "config.json", "model.safetensors"})
    assert found | {"config.json", "model.safetensors"} == set(model_hashes(folder))
    target = compressed(folder)
    assert (target / "additional_chat_templates" / "tools.jinja").read_text() == "x"
    assert not any((target / name).exists() for name in left)


def test_the_generation_configuration_goes_along(folder):
    (folder / "generation_config.json").write_text('{"eos_token_id": [0, 7], "pad_token_id": 3}')
    for model in (load_model(folder), load_compressed(compressed(folder))):
        assert model.generation_config.eos_token_id == [0, 7]
        assert model.generation_config.pad_token_id == 3


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_an_unusable_generation_configuration_is_said_and_passed_over(folder, content, capfd):
    (folder / "generation_config.json").write_text(content)
    assert load_model(folder).generation_config.eos_token_id == 0
    assert "generation_config.json cannot be used" in capfd.readouterr().err


def test_a_copy_that_reads_otherwise_is_refused(folder, monkeypatch):
    """A file that a tokenizer needs was left behind."""
    loaded = load_tokenizer(folder)

    class Other:
        def __len__(self) -> int:
            return len(loaded)

        def encode(self, text: str) -> list[int]:
            return []

    monkeypatch.setattr(tokenizers, "load_tokenizer", lambda where: loaded if where == folder else Other())
    with pytest.raises(CayleyError, match="reads text otherwise once its files are copied"):
        compressed(folder)
