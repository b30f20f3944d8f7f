"""Compressing, training, saving and loading from a script, as the stages do it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

import cayley_adapters as ca
from cayley_adapters.adapters.cayley.model import trained_blocks
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose

TEXT = "to be or not to be, that is the question " * 30
OTHER = "whether tis nobler in the mind to suffer the slings and arrows " * 8
CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(scope="module")
def small():
    """A compressed tiny model, on which no test trains."""
    return ca.compress(ca.load("tiny_random"), ratio=0.3, text=TEXT, window=32)


@pytest.fixture(scope="module")
def adapter():
    """Blocks on another one."""
    return ca.train(ca.compress(ca.load("tiny_random"), ratio=0.3, text=TEXT, window=32), TEXT, steps=6, window=32)


def test_compression_with_a_text_gives_the_model_back_and_without_one_its_records() -> None:
    model = ca.load("tiny_random")
    assert ca.compress(model, 0.3, text=TEXT, window=32) is model
    assert isinstance(ca.compress(ca.load("tiny_random"), 0.3, method="svd"), list)
    with pytest.raises(CayleyError, match="text and tokens are both given"):
        ca.compress(ca.load("tiny_random"), 0.3, text=TEXT, tokens=[[1, 2]], window=32)


def test_training_lowers_the_loss_on_its_text_and_leaves_the_model_alone(small) -> None:
    before = ca.perplexity(small, TEXT, window=32)
    weights = {name: value.clone() for name, value in small.state_dict().items()}
    adapter = ca.train(small, TEXT, block_dim=4, steps=12, window=32)
    assert ca.perplexity(adapter, TEXT, window=32) < before
    base = adapter.unload()
    assert all(value.equal(weights[name]) for name, value in base.state_dict().items())
    assert not adapter.training


def test_the_same_seed_trains_the_same_blocks() -> None:
    def trained(seed: int):
        return trained_blocks(ca.train(ca.load("tiny_random"), TEXT, steps=3, window=32, seed=seed))

    first, again, other = trained(0), trained(0), trained(1)
    assert all(first[name].equal(again[name]) for name in first)
    assert not all(first[name].equal(other[name]) for name in first)


def test_defaults_are_those_of_the_configuration() -> None:
    [settings] = compose("quickstart", ["train=default", "compress=whitened_svd"])
    signature = _defaults(ca.train)
    conf = yaml.safe_load((CONF / "train/default.yaml").read_text())
    assert signature["learning_rate"] in settings.search.learning_rate
    for name in ("steps", "batch_windows", "ansatz", "brickwork_depth", "readout", "layers"):
        assert signature[name] == conf[name], name
    assert list(signature["targets"]) == conf["targets"]
    assert signature["window"] == settings.data.window
    compressed = _defaults(ca.compress)
    for name in ("method", "allocation", "shape", "layers", "ridge"):
        assert compressed[name] == getattr(settings.compress, name), name
    assert compressed["targets"] == settings.compress.targets
    measured = _defaults(ca.perplexity)
    assert (measured["window"], measured["batch_windows"]) == (settings.data.window, settings.evaluate.batch_windows)
    noisy = _defaults(ca.noisy)
    assert (noisy["readout"], noisy["mitigation"]) == (settings.evaluate.readout, settings.evaluate.mitigation)
    assert (noisy["shots"], noisy["synthesis"]) == (settings.evaluate.map_shots, settings.transpile.synthesis)
    assert (noisy["backend"], noisy["layout"]) == (settings.noise.backend, settings.noise.layout)


def _defaults(function) -> dict:
    import inspect

    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"layers": [7]}, r"layers=\[7\]: the model has 2 layers"),
        ({"targets": ["w_proj"]}, "no projection named w_proj"),
        ({"block_dim": 1}, "no dimension of a block"),
        ({"validation_windows": 1000}, "leaves nothing to train on"),
        ({"window": 10**6}, "lower window"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_changes(options: dict, fragment: str) -> None:
    model = ca.load("tiny_random")
    with pytest.raises(CayleyError, match=fragment):
        ca.train(model, TEXT, **({"window": 32} | options))
    assert not [name for name, _ in model.named_modules() if "cayley" in name]


def test_what_is_no_model_is_told_from_one(adapter) -> None:
    with pytest.raises(CayleyError, match="model is a list"):
        ca.train(ca.compress(ca.load("tiny_random"), 0.3, method="svd"), TEXT)
    with pytest.raises(CayleyError, match="has adapters already"):
        ca.train(adapter, TEXT)


def test_models_and_adapters_come_back_as_they_were_saved(adapter, tmp_path: Path) -> None:
    expected = ca.perplexity(adapter, OTHER, window=32)
    ca.save(adapter, tmp_path / "adapter")
    small = ca.compress(ca.load("tiny_random"), ratio=0.3, text=TEXT, window=32)
    ca.save(small, tmp_path / "small")
    again = ca.load(tmp_path / "adapter", base=ca.load(tmp_path / "small"))
    assert ca.perplexity(again, OTHER, window=32) == pytest.approx(expected, rel=1e-6)
    assert ca.load_compressed(tmp_path / "small").config.hidden_size == 32
    assert "cayley_adapters" in (tmp_path / "adapter/README.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "small"}


def test_a_model_with_blocks_in_it_is_not_saved_as_if_it_had_none(adapter, tmp_path: Path) -> None:
    with pytest.raises(CayleyError, match=r"unload\(\)"):
        ca.save(adapter.get_base_model(), tmp_path / "whole")
    assert list(tmp_path.iterdir()) == []


def test_a_plain_model_is_saved_with_its_tokenizer(tmp_path: Path) -> None:
    model = ca.load("tiny_random")
    ca.save(model, tmp_path / "plain")
    again = ca.load(tmp_path / "plain")
    assert ca.perplexity(again, OTHER, window=32) == ca.perplexity(model, OTHER, window=32)


def test_an_adapter_is_loaded_on_the_model_that_it_belongs_to(adapter, tmp_path: Path) -> None:
    ca.save(adapter, tmp_path / "adapter")
    with pytest.raises(CayleyError, match=r"holds an adapter; give the model .*base=model"):
        ca.load(tmp_path / "adapter")
    with pytest.raises(CayleyError, match="digest"):
        ca.load(tmp_path / "adapter", base=ca.load("tiny_random"))
    with pytest.raises(CayleyError, match="base= is for these"):
        ca.load("tiny_random", base=ca.load("tiny_random"))
    assert len(load_file(tmp_path / "adapter/adapter_model.safetensors")) == 4
