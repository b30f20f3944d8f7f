"""Broken and malicious adapters, compressed models and checkpoints: one error of our own, and no code run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from broken_models import Runs, config, deep, edit, header, raw, replaced_by, tensors, write
from peft import LoraConfig, PeftModel, get_peft_model
from safety import SAFETY

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.cayley.oft import from_oft
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed

ADAPTER, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
THETA = "base_model.model.model.layers.0.self_attn.v_proj.cayley_theta"


def settings(**changes):
    return lambda folder: edit(folder / SETTINGS, changes)


def weights(change):
    return tensors(change, ADAPTER)


def only_a_pickle(folder: Path) -> None:
    (folder / ADAPTER).unlink()
    torch.save({THETA: Runs(folder.parent / "ran")}, folder / "adapter_model.bin")


def pickle_renamed(folder: Path) -> None:
    torch.save({THETA: Runs(folder.parent / "ran")}, folder / ADAPTER)


ADAPTERS = [
    ("only-a-pickle", only_a_pickle, "adapter_model.bin is a pickle, which is never loaded"),
    ("pickle-renamed", pickle_renamed, "no whole safetensors"),
    ("config-lost", replaced_by(lambda p: None, SETTINGS), "no adapter that PEFT saved"),
    ("config-no-json", write(SETTINGS, "{"), "no JSON"),
    ("config-deep", write(SETTINGS, deep(100_000)), "no JSON"),
    ("config-binary", write(SETTINGS, b"\x80\x04"), "no JSON"),
    ("config-list", write(SETTINGS, "[1]"), "no JSON object"),
    ("config-pipe", replaced_by(os.mkfifo, SETTINGS), "is no file"),
    ("another-method", settings(peft_type="PROMPT_TUNING"), "type 'PROMPT_TUNING'; known are CAYLEY"),
    ("no-method", settings(peft_type=None), "type 'None'"),
    ("method-a-list", settings(peft_type=["CAYLEY"]), "known are CAYLEY"),
    ("method-that-lies", settings(peft_type="LORA"), "does not fit this model"),
    ("block-dim-3", settings(block_dim=3), "does not fit this model"),
    ("block-dim-text", settings(block_dim="4"), "block_dim='4' is no dimension of a block"),
    ("block-dim-negative", settings(block_dim=-4), "no dimension of a block"),
    ("block-dim-input", settings(block_dim="input"), "does not fit this model"),
    ("block-dim-huge", settings(block_dim=2**40), "fits none of its tensors"),
    ("block-dim-another", settings(block_dim=8), "does not fit this model"),
    ("block-dim-too-large", settings(block_dim=16), "does not fit this model"),
    ("sizes-huge", settings(block_dim_pattern={"v_proj": 2**40}), "v_proj=1099511627776 fits none of its tensors"),
    ("sizes-for-ever", settings(block_dim_pattern={"(([a-z])+)+$": 4}), "could take for ever"),
    ("sizes-a-list", settings(block_dim_pattern=["v_proj"]), "is no mapping"),
    ("sizes-another", settings(block_dim_pattern={"v_proj": 8}), "does not fit this model"),
    ("saves-modules", settings(modules_to_save=["lm_head"]), "modules_to_save=.* brings modules"),
    ("base-another", settings(base_weights="plain:00"), "whose weights have the digest plain:00"),
    ("ansatz-unknown", settings(ansatz="evil"), "ansatz='evil' is unknown"),
    ("ansatz-another", settings(ansatz="brickwork"), "does not fit this model"),
    ("depth-huge", settings(ansatz="brickwork", brickwork_depth=10**9), "brickwork_depth=1000000000"),
    ("readout-unknown", settings(readout="<script>"), "readout='<script>' is unknown"),
    ("targets-unknown", settings(target_modules=["evil"]), "does not fit this model"),
    ("targets-fewer", settings(target_modules=["v_proj"]), "the model has no place for"),
    ("targets-more", settings(target_modules=["v_proj", "o_proj", "q_proj"]), "the adapter lacks"),
    ("targets-a-number", settings(target_modules=3), "does not fit this model|no adapter that PEFT"),
    ("targets-for-ever", settings(target_modules=r"(([a-z._0-9])+)+$"), "could take for ever"),
    ("targets-long-pattern", settings(target_modules=".*" * 20 + "x"), "could take for ever"),
    ("layers-beyond", settings(layers_to_transform=[7]), "does not fit this model"),
    ("nan", weights(lambda t: t[THETA][0].fill_(float("nan"))), "holds NaN or infinity"),
    ("missing-blocks", weights(lambda t: t.pop(THETA)), "the adapter lacks"),
    ("extra-tensor", weights(lambda t: t.update({"base_model.model.evil": torch.ones(2)})), "no place for"),
    ("wrong-shape", weights(lambda t: t.update({THETA: torch.zeros(4, 6)})), "does not fit this model"),
    ("wrong-type", weights(lambda t: t.update({THETA: torch.zeros(8, 6, dtype=torch.int8)})), "torch.int8"),
    ("no-tensors", weights(lambda t: t.clear()), "does not fit this model|fits none of its tensors"),
    ("empty", raw(lambda b: b"", ADAPTER), "no whole safetensors"),
    ("cut", raw(lambda b: b[:-4], ADAPTER), "no whole safetensors"),
    ("offsets-lie", header(lambda h: h[THETA].update(data_offsets=[0, 2**40]), name=ADAPTER), "no whole safetensors"),
    ("weights-pipe", replaced_by(os.mkfifo, ADAPTER), "no adapter_model.safetensors"),
]  # fmt: skip

LORAS = [
    ("rank-huge", settings(r=10**9), "r=1000000000 fits none of its tensors"),
    ("rank-pattern", settings(rank_pattern={"v_proj": 10**9}), "rank_pattern="),
    ("replicates-layers", settings(layer_replication=[[0, 10**9]]), "layer_replication="),
    ("imports-a-module", settings(megatron_config={"a": 1}, megatron_core="evil"), "megatron_co"),
    ("computes-at-length", settings(init_lora_weights="pissa_niter_1000000"), "init_lora_weights="),
    ("saves-modules", settings(modules_to_save=["lm_head"]), "modules_to_save="),
]


@pytest.fixture(scope="module")
def saved(tiny_folder, tmp_path_factory) -> Path:
    """A Cayley adapter and a LoRA one."""
    folder = tmp_path_factory.mktemp("saved")
    targets = ["v_proj", "o_proj"]
    get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=targets)).save_pretrained(
        folder / "cayley"
    )
    get_peft_model(load_model(tiny_folder), LoraConfig(r=2, target_modules=targets)).save_pretrained(folder / "lora")
    return folder


def test_whole_adapters_are_loaded(tiny_model, saved):
    config, tensors = read_adapter(saved / "cayley", CayleyConfig)
    assert config.block_dim == 4
    model = load_adapter(tiny_model, saved / "cayley")
    assert not model.training
    held = {name: value for name, value in model.named_parameters() if "cayley_theta" in name}
    assert len(held) == len(tensors) == 4
    assert not any(value.requires_grad for value in held.values())
    load_adapter(model.unload(), saved / "lora")


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [pytest.param("cayley", how, says, id=name) for name, how, says in ADAPTERS]
    + [pytest.param("lora", how, says, id=name) for name, how, says in LORAS],
)
@pytest.mark.timeout(SAFETY)
def test_an_adapter_is_refused(tiny_model, saved, tmp_path, kind, how, says):
    folder = Path(shutil.copytree(saved / kind, tmp_path / "adapter"))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    how(folder)
    with pytest.raises(CayleyError, match=f"(?s){says}") as refused:
        load_adapter(tiny_model, folder)
    assert str(folder) in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_pefts_own_loader_takes_no_blocks_that_are_no_numbers(tiny_model, saved, tmp_path):
    folder = Path(shutil.copytree(saved / "cayley", tmp_path / "adapter"))
    weights(lambda t: t[THETA].fill_(float("inf")))(folder)
    with pytest.raises(CayleyError, match="hold NaN or infinity"):
        PeftModel.from_pretrained(tiny_model, folder)


def test_a_hostile_adapter_is_not_converted(saved, tmp_path):
    folder = Path(shutil.copytree(saved / "lora", tmp_path / "adapter"))
    with pytest.raises(CayleyError, match="not one of OFTConfig"):
        from_oft(folder, tmp_path / "made")
    only_a_pickle(folder)
    with pytest.raises(CayleyError, match="never loaded"):
        from_oft(folder, tmp_path / "made")
    assert not (tmp_path / "made").exists()


DOWN = "model.layers.0.mlp.down_proj"


def description(change):
    def apply(folder: Path) -> None:
        known = json.loads((folder / "compression.json").read_text())
        change(known)
        (folder / "compression.json").write_text(json.dumps(known))

    return apply


COMPRESSED = [
    ("no-json", write("compression.json", "{"), "no JSON"),
    ("deep", write("compression.json", deep(100_000)), "no JSON"),
    ("method-unknown", description(lambda d: d.update(method="../../evil")), "unknown"),
    ("method-a-list", description(lambda d: d.update(method=["svd"])), "is no compressed model"),
    ("projections-a-number", description(lambda d: d.update(projections=3)), "is no compressed model"),
    ("projection-unknown", description(lambda d: d["projections"][0].update(projection="evil")), "is no compressed"),
    ("size-huge", description(lambda d: d["projections"][0].update(size=10**12)), "size"),
    ("size-negative", description(lambda d: d["projections"][0].update(size=-1)), "size -1"),
    ("size-text", description(lambda d: d["projections"][0].update(size="9")), "is no compressed model"),
    ("size-another", description(lambda d: d["projections"][0].update(size=3)), "do not fit"),
    ("unchanged-climbs", description(lambda d: d.update(unchanged={"../../x.safetensors": 1})), "as a file of weights"),
    ("unchanged-lost", description(lambda d: d.update(unchanged={"unchanged-1.safetensors": 1})), "is no compressed"),
    ("config-layers", config(num_hidden_layers=10**9), "num_hidden_layers"),
    ("config-code", config(auto_map={"AutoConfig": "evil.Model"}, model_type="evil"), "is no compressed"),
    ("nan", tensors(lambda t: t[f"{DOWN}.rest"].fill_(float("nan"))), "NaN"),
    ("order", tensors(lambda t: t[f"{DOWN}.order"].fill_(10**6)), "no order of outputs"),
    ("missing", tensors(lambda t: t.pop(f"{DOWN}.order")), "lack"),
    ("extra", tensors(lambda t: t.update(evil=torch.ones(1))), "weights do not fit"),
    ("wrong-shape", tensors(lambda t: t.update({"model.norm.weight": torch.ones(3)})), "do not fit config.json"),
    ("pickle", write("model.safetensors", b"\x80\x04"), "no whole safetensors"),
    ("cut", raw(lambda b: b[:-4]), "no whole safetensors"),
]  # fmt: skip


@pytest.fixture(scope="module")
def compressed(tiny_folder, tokens, tmp_path_factory) -> Path:
    model, folder = load_model(tiny_folder), tmp_path_factory.mktemp("compressed") / "model"
    records = compress(model, 0.3, tokens=tokens)
    save_compressed(model, folder, records, {"method": "whitened_svd"}, tiny_folder)
    return folder


@pytest.mark.parametrize(("how", "says"), [pytest.param(how, says, id=name) for name, how, says in COMPRESSED])
@pytest.mark.timeout(SAFETY)
def test_a_compressed_model_is_refused(compressed, tmp_path, how, says):
    folder = Path(shutil.copytree(compressed, tmp_path / "model"))
    how(folder)
    with pytest.raises(CayleyError, match=f"(?s){says}") as refused:
        load_compressed(folder)
    assert "Make it again with `cayley compress`" in str(refused.value)


def broken_checkpoints() -> dict[str, object]:
    name = "state.safetensors"

    def about(change):
        def edited(held):
            known = json.loads(held["about"].numpy().tobytes())
            change(known)
            held["about"] = torch.frombuffer(bytearray(json.dumps(known).encode()), dtype=torch.uint8)

        return tensors(edited, name)

    return {
        "pickle": lambda folder: torch.save({"x": Runs(folder.parent / "ran")}, folder / name),
        "empty": write(name, b""),
        "cut": raw(lambda b: b[:-3], name),
        "another-shape": tensors(lambda t: t.update({"parameter/weight": torch.ones(7)}), name),
        "another-parameter": tensors(lambda t: t.pop("best/weight"), name),
        "no-description": tensors(lambda t: t.pop("about"), name),
        "deep-description": tensors(
            lambda t: t.update(about=torch.frombuffer(bytearray(deep(100_000).encode()), dtype=torch.uint8)), name
        ),
        "another-training": about(lambda known: known.update(key="other")),
        "no-key": about(lambda known: known.pop("key")),
    }


@pytest.mark.parametrize("how", broken_checkpoints().values(), ids=broken_checkpoints().keys())
def test_a_broken_checkpoint_starts_anew_and_changes_nothing(tmp_path, how):
    from cayley_adapters.adapters.training.checkpoint import TrainingState

    def made():
        module = torch.nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(module.parameters())
        return module, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer)

    (folder := tmp_path / "kept").mkdir()
    checkpoint = Checkpoint(folder / "state.safetensors", "key")
    module, optimizer, scheduler = made()
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    parameters = dict(module.named_parameters())
    best = {name: value.detach().clone() for name, value in parameters.items()}
    checkpoint.save(parameters, optimizer, scheduler, TrainingState(1, [], 1.0, 0, best))
    assert checkpoint.load(parameters, optimizer, scheduler).step == 1
    how(folder)
    module, optimizer, scheduler = made()
    before = {name: value.clone() for name, value in module.named_parameters()}
    assert checkpoint.load(dict(module.named_parameters()), optimizer, scheduler) is None
    assert all(torch.equal(before[name], value) for name, value in module.named_parameters())
    assert not (tmp_path / "ran").exists()
