"""Models that are larger than the memory: counted without weights, compressed layer by layer, mapped and offloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.training.frozen import hidden_states
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.layerwise import layer_inputs
from cayley_adapters.models.placement import device_map, device_named
from cayley_adapters.models.weights import Weights, empty_model
from cayley_adapters.settings import compose
from cayley_adapters.simulation.executors import ExactExecutor

LLAMA = Path(__file__).parents[2] / "benchmarks" / "large" / "llama31_8b.json"


@pytest.fixture(scope="module")
def sharded(tiny_folder, tmp_path_factory):
    """The tiny model in bfloat16, in several files."""
    folder = tmp_path_factory.mktemp("sharded")
    load_model(tiny_folder).to(torch.bfloat16).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_the_papers_arrangement_on_llama_has_6144_parameters(tmp_path):
    """The published configuration, the experiment's own settings, and no weights."""
    (tmp_path / "config.json").write_text(LLAMA.read_text())
    (settings,) = compose("paper_llama31_8b", [])
    base = empty_model(tmp_path, torch.bfloat16, Weights([]))
    assert sum(value.numel() for value in base.parameters()) == 8_030_261_248
    where = {"target_modules": list(settings.train.targets), "layers_to_transform": list(settings.train.layers)}
    model = get_peft_model(base, CayleyConfig(block_dim=settings.sweep.block_dim[0], **where))
    assert list(adapted_layers(model)) == ["model.layers.7.self_attn.v_proj"]
    assert sum(value.numel() for value in model.parameters() if value.requires_grad) == 6144
    assert all(value.is_meta for value in model.parameters())
    assert settings.model.dtype == "bfloat16"


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize(
    "options",
    [
        {"method": "whitened_svd"},
        {"method": "whitened_svd", "layers": [1]},
        {"method": "whitened_svd", "allocation": "sensitivity"},
        {"method": "width", "targets": PROJECTIONS},
        {"method": "width", "targets": PROJECTIONS, "allocation": "sensitivity"},
        {"method": "width", "layers": [1]},
        {"method": "mpo"},
        {"method": "mpo", "allocation": "sensitivity"},
        {"method": "mpo_plain"},
    ],
)
def test_streaming_writes_the_very_bytes(tiny_model, tiny_folder, tokens, tmp_path, options):
    records = compress(tiny_model, 0.3, tokens=tokens, **options)
    save_compressed(tiny_model, tmp_path / "whole", records, {"method": options["method"]}, tiny_folder)
    about = {"method": options["method"]}
    assert compress_folder(tiny_folder, tmp_path / "streamed", 0.3, about, tokens=tokens, **options) == records
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "streamed" / path.name).read_bytes(), path.name


def test_only_chosen_layers_are_compressed(tiny_model, tokens):
    records = compress(tiny_model, 0.3, tokens=tokens, layers=[1])
    assert {record["projection"].split(".")[2] for record in records} == {"1"}
    with pytest.raises(CayleyError, match=r"compress\.layers=\[2\]: the model has 2 layers, 0 to 1"):
        compress(tiny_model, 0.3, tokens=tokens, layers=[2])


def test_a_model_in_shards_is_linked_and_not_copied(sharded, tokens, tmp_path):
    about = {"method": "whitened_svd"}
    modes = [path.stat().st_mode for path in sorted(sharded.glob("model-*"))]
    options = {"method": "whitened_svd", "layers": [1]}
    compress_folder(sharded, tmp_path / "m", 0.3, about, tokens=tokens, dtype="bfloat16", **options)
    assert [path.stat().st_mode for path in sorted(sharded.glob("model-*"))] == modes
    linked = sorted((tmp_path / "m").glob("unchanged-*"))
    assert [path.stat().st_ino for path in linked] == [
        path.stat().st_ino for path in sorted(sharded.glob("model-*.safetensors"))
    ]
    changed = set(Weights([tmp_path / "m" / "model.safetensors"]).files)
    assert changed
    assert all(name.startswith("model.layers.1.mlp.") for name in changed)
    streamed = load_compressed(tmp_path / "m")
    whole = load_model(sharded, "bfloat16")
    compress(whole, 0.3, tokens=tokens, **options)
    x = torch.as_tensor(tokens, dtype=torch.long)
    assert torch.equal(streamed(x).logits, whole(x).logits)
    linked[0].touch()
    with pytest.raises(CayleyError, match=r"written to since.*cayley compress"):
        load_compressed(tmp_path / "m")


def test_large_results_are_written_in_parts(tiny_model, tiny_folder, tokens, tmp_path):
    compress_folder(tiny_folder, tmp_path / "m", 0.3, {"method": "none"}, tokens=None, part_bytes=20_000)
    assert len(list((tmp_path / "m").glob("part-*.safetensors"))) > 1
    x = torch.as_tensor(tokens, dtype=torch.long)
    assert torch.equal(load_compressed(tmp_path / "m")(x).logits, tiny_model(x).logits)


def test_incomplete_and_quantised_models_are_refused(sharded, tmp_path):
    for path in sharded.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    next(iter(sorted(tmp_path.glob("model-*.safetensors")))).unlink()
    with pytest.raises(CayleyError, match="not a whole model"):
        Weights.of_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"quantization_config": {"quant_method": "gptq"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CayleyError, match="quantised"):
        empty_model(tmp_path, torch.float32, Weights([]))


def test_blocks_stay_float32_in_a_bfloat16_model(sharded, tiny_folder, tokens):
    base = load_model(sharded, "bfloat16")
    assert {value.dtype for value in base.parameters()} == {torch.bfloat16}
    x = torch.as_tensor(tokens, dtype=torch.long)
    exact = load_model(tiny_folder)(x).logits
    assert (base(x).logits.float() - exact).norm() / exact.norm() < 0.03
    model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["q_proj"]))
    layers = adapted_layers(model)
    assert {layer.cayley_theta["default"].dtype for layer in layers.values()} == {torch.float32}
    assert torch.equal(model(x).logits, base(x).logits)
    text = TrainingText(tokens, len(tokens))
    train_adapter(model, text, Recipe(steps=2, batch_windows=2, learning_rate=0.05, distillation=0.0))
    ((key, layer), *_) = layers.items()
    states = torch.randn(3, 32, generator=torch.manual_seed(0)).bfloat16()
    rotated = layer._rotated(states, "default")
    assert rotated.dtype == torch.bfloat16
    q = layer.blocks().detach()
    expected = torch.einsum("bij,tbj->tbi", q, states.float().view(3, 8, 4)).reshape(3, 32).bfloat16()
    assert torch.equal(rotated, expected)
    assert torch.equal(ExactExecutor({key: q}, "signed")(key, states), expected)


def test_layers_below_run_once_with_the_same_result(tiny_model, tokens, tmp_path):
    """All windows through one layer after another gives what each window through all of them gives, bit by bit."""
    states = hidden_states(tiny_model, tokens, 1, tmp_path)[0 : len(tokens)]
    expected, _ = layer_inputs(tiny_model, list(tokens[:, None]), 1)
    assert torch.equal(states, torch.cat(expected))


def test_an_offloaded_model_trains_alike(tiny_folder, tokens, tmp_path):
    """Layers that lie on disk and are brought for each use, by accelerate's hooks."""
    from accelerate import dispatch_model

    ends = []
    for offloaded in (False, True):
        base = load_model(tiny_folder)
        if offloaded:
            where = device_map(base, {"cpu": 100_000})
            assert set(where.values()) == {"cpu", "disk"}
            base = dispatch_model(base, where, main_device="cpu", offload_dir=tmp_path / "offload")
            assert any(value.is_meta for value in base.parameters())
        model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["v_proj"], layers_to_transform=[1]))
        states = hidden_states(model, tokens, 1, tmp_path / str(offloaded))
        text = TrainingText(tokens, len(tokens), None, 1, states)
        train_adapter(model, text, Recipe(steps=3, batch_windows=2, learning_rate=0.01, distillation=0.0))
        ends.append(next(iter(adapted_layers(model).values())).cayley_theta["default"].detach())
    assert ends[0].abs().max() > 1e-3
    assert torch.equal(*ends)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_a_missing_gpu_is_said_so():
    assert device_named("auto") == device_named("cpu") == torch.device("cpu")
    with pytest.raises(CayleyError, match="has no CUDA; type auto or cpu"):
        device_named("cuda")


STREAM = """
import sys
from pathlib import Path
import numpy, torch
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.base import load_model

def peak():
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return [1024 * int(lines[key].split()[0]) for key in ("VmRSS", "VmHWM")]

torch.set_num_threads(1)
warm, source, target = map(Path, sys.argv[1:])
options = dict(tokens=None, method="svd", targets=["k_proj"], part_bytes=2**25)
compress_folder(warm, target / "warm", 0.3, {"method": "svd"}, **options)
Path("/proc/self/clear_refs").write_text("5")  # from now on VmHWM is the highest from here on
before, _ = peak()
compress_folder(source, target / "m", 0.3, {"method": "svd"}, layers=[8], **options)
_, highest = peak()
print(highest - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_streaming_holds_a_fraction_of_the_model(tiny_folder, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=257,
        hidden_size=512,
        intermediate_size=4096,
        num_hidden_layers=16,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    whole = 4 * sum(value.numel() for value in model.parameters())
    model.save_pretrained(tmp_path / "source", max_shard_size="100MB")
    del model
    command = [sys.executable, "-c", STREAM, str(tiny_folder), str(tmp_path / "source"), str(tmp_path / "out")]
    # Large tensors go back to the system at once; for these, which are not that large, malloc has to be told.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    held = int(run.stdout.split()[-1])
    assert whole > 400e6
    assert held < whole / 3
    assert sum(path.stat().st_size for path in (tmp_path / "out" / "m").glob("*.safetensors")) > 0.95 * whole
