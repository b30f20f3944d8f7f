"""Model folders as strangers may make them: how each is broken, and what the refusal must say."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"
NORM = "model.norm.weight"
OTHER = "../elsewhere.safetensors"


class Runs:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        edit(folder / "config.json", changes)

    return change


def edit(path: Path, changes: dict[str, Any]) -> None:
    known = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in known.items() if value is not ...}), encoding="utf-8")


def tokenizer(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "tokenizer_config.json", changes)


def tensors(change: Callable[[dict[str, torch.Tensor]], Any], name: str = WEIGHTS) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        held = load_file(folder / name)
        change(held)
        save_file({key: value.contiguous() for key, value in held.items()}, folder / name, metadata={"format": "pt"})

    return apply


def header(change: Callable[[dict[str, Any]], Any], text: Callable[[str], str] = str, name: str = WEIGHTS):
    """Change the header of a safetensors file and leave its numbers."""

    def apply(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (size,) = struct.unpack("<Q", whole[:8])
        known = json.loads(whole[8 : 8 + size])
        change(known)
        made = text(json.dumps(known)).encode("utf-8", "surrogateescape")
        (folder / name).write_bytes(struct.pack("<Q", len(made)) + made + whole[8 + size :])

    return apply


def raw(change: Callable[[bytes], bytes], name: str = WEIGHTS) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes())) and None


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    content = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(content) and None


def only_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"weight": Runs(folder.parent / "ran")}, folder / "pytorch_model.bin")


def disguised(protocol: int | None) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        if protocol is None:
            torch.save({"weight": Runs(folder.parent / "ran")}, folder / WEIGHTS)
        else:
            (folder / WEIGHTS).write_bytes(pickle.dumps(Runs(folder.parent / "ran"), protocol))

    return apply


def shards(weight_map: dict[str, Any] | list) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    return apply


def outside(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "elsewhere.safetensors")
    index = {
        "weight_map": dict.fromkeys(load_file(folder.parent / "elsewhere.safetensors"), "../elsewhere.safetensors")
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def replaced_by(make: Callable[[Path], Any], name: str = WEIGHTS) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return apply


def own_code(name: str, key: str, value: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / "evil.py").write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\nclass Model: pass\n")
        edit(folder / name, {key: value})

    return apply


def first(known: dict[str, Any]) -> dict[str, Any]:
    return known[NORM]


def offsets(start: int, end: int) -> Callable[[Path], None]:
    return header(lambda known: first(known).update(data_offsets=[start, end]))


def of_class(folder: Path, name: str, settings: dict[str, Any]) -> None:
    """A whole model of another architecture, made by transformers itself, with the tiny model's tokenizer."""
    import transformers

    made = getattr(transformers, f"{name}Config")(**settings)
    kinds = {"Bert": "BertForMaskedLM", "T5": "T5ForConditionalGeneration", "GPT2": "GPT2LMHeadModel"}
    model = getattr(transformers, kinds.get(name, f"{name}ForCausalLM"))(made)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder)


def another(name: str, **settings: Any) -> Callable[[Path], None]:
    return lambda folder: of_class(folder, name, settings)


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


SMALL = {
    "vocab_size": 257,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
}
AUTO = {"AutoModelForCausalLM": "evil.Model", "AutoTokenizer": [None, "evil.Model"], "AutoConfig": "evil.Model"}
HUGE = 10**15
TWICE = json.dumps({NORM: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})[:-1] + ","

BROKEN: list[tuple[str, Callable[[Path], Any], str]] = [
    # Code.
    ("only-a-pickle", only_a_pickle, "pickles are never loaded"),
    ("zip-pickle-renamed", disguised(None), "zip archive.*no safetensors.*run code"),
    ("pickle-renamed", disguised(4), "is a pickle.*run code"),
    ("old-pickle-renamed", disguised(0), "no whole safetensors"),
    ("auto-map-of-model", own_code("config.json", "auto_map", AUTO), "auto_map in config.json.*never done"),
    ("auto-map-of-tokenizer", own_code("tokenizer_config.json", "auto_map", AUTO), "auto_map in tokenizer_config.json"),
    ("trusts-itself", own_code("config.json", "trust_remote_code", True), "trust_remote_code in config.json"),
    ("pipeline", own_code("config.json", "custom_pipelines", {"x": {"impl": "evil.Model"}}), "custom_pipelines"),
    ("adapter-beside", write("adapter_config.json", '{"base_model_name_or_path": "../other"}'), "adapter_config.json"),
    # Configuration.
    ("config-no-json", write("config.json", "{"), "no JSON"),
    ("config-empty", write("config.json", ""), "no JSON"),
    ("config-binary", write("config.json", b"\xff\xfe\x00"), "no JSON"),
    ("config-list", write("config.json", "[]"), "no JSON object"),
    ("config-deep", write("config.json", deep(100_000)), "no JSON"),
    ("config-long-number", write("config.json", '{"vocab_size": ' + "9" * 10_000 + "}"), "no JSON"),
    ("config-pipe", replaced_by(os.mkfifo, "config.json"), "config.json is missing"),
    ("config-endless", replaced_by(lambda p: p.symlink_to("/dev/zero"), "config.json"), "config.json is missing"),
    ("config-folder", replaced_by(Path.mkdir, "config.json"), "config.json is missing"),
    ("config-without-type", config(model_type=..., architectures=...), "no causal language model"),
    ("config-unknown-type", config(model_type="../../evil"), "no causal language model"),
    ("config-type-a-list", config(model_type=["llama"]), "no causal language model"),
    *(
        (f"config-{key}-{str(value)[:12]}", config(**{key: value}), f"{key} is .*whole number between 1 and")
        for key, values in {
            "vocab_size": (0, -1, 10**30, 257.5, "257", True, None),
            "hidden_size": (-32, 0, 2**40),
            "num_hidden_layers": (0, 10**9, [1], 1e309),
            "num_attention_heads": (0, -4),
            "num_key_value_heads": (-1, 10**9),
            "head_dim": (-8, 2**60),
            "intermediate_size": ({}, -1),
            "max_position_embeddings": (-1, 10**18),
        }.items()
        for value in values
    ),
    ("config-layers-fewer", config(num_hidden_layers=1), "model.layers.1.*too many"),
    ("config-layers-more", config(num_hidden_layers=5), "lack model.layers.2"),
    ("config-heads-misfit", config(num_key_value_heads=3), "k_proj.weight has shape"),
    ("config-wider", config(hidden_size=48, head_dim=8), "has shape"),
    ("config-rope-nonsense", config(rope_parameters={"rope_type": "evil", "factor": "x"}), "no causal language model"),
    ("config-activation-nonsense", config(hidden_act="evil"), "no causal language model"),
    ("quantised-by-config", config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantised"),
    # Weights.
    ("missing-tensor", tensors(lambda t: t.pop(NORM)), f"lack {NORM}"),
    ("extra-tensor", tensors(lambda t: t.update({"model.evil": torch.ones(2)})), "model.evil.*too many"),
    ("wrong-shape", tensors(lambda t: t.update({NORM: torch.ones(31)})), r"shape \[31\], but \[32\]"),
    ("wrong-rank", tensors(lambda t: t.update({NORM: torch.ones(32, 1)})), r"shape \[32, 1\], but \[32\]"),
    ("quantised-tensor", tensors(lambda t: t.update({NORM: torch.ones(32).to(torch.int8)})), "I8.*quantised"),
    ("nan", tensors(lambda t: t[NORM].__setitem__(3, float("nan"))), f"{NORM} holds NaN or infinity"),
    ("infinity", tensors(lambda t: t[NORM].__setitem__(0, float("-inf"))), f"{NORM} holds NaN or infinity"),
    ("empty-file", raw(lambda b: b""), "no whole safetensors"),
    ("zero-file", raw(lambda b: bytes(len(b))), "no whole safetensors"),
    ("header-length-huge", raw(lambda b: struct.pack("<Q", 2**63) + b[8:]), "no whole safetensors"),
    ("header-length-beyond", raw(lambda b: struct.pack("<Q", len(b)) + b[8:]), "no whole safetensors"),
    ("header-length-100-gb", raw(lambda b: struct.pack("<Q", 10**11) + b[8:]), "no whole safetensors"),
    ("header-length-short", raw(lambda b: struct.pack("<Q", 100) + b[8:]), "no whole safetensors"),
    ("header-not-utf8", raw(lambda b: b.replace(b"norm", b"n\xff\xfem", 1)), "no whole safetensors"),
    ("header-not-json", raw(lambda b: b[:8] + b"[" + b[9:]), "no whole safetensors"),
    ("header-deep", header(lambda h: None, lambda t: '{"a":' * 5000 + t + "}" * 5000), "no whole safetensors"),
    ("header-twice", header(lambda h: None, lambda t: TWICE + t[1:]), "a name twice"),
    ("offsets-overlap", offsets(0, 128), "no whole safetensors"),
    ("offsets-outside", offsets(2**40, 2**40 + 128), "no whole safetensors"),
    ("offsets-turned", offsets(128, 0), "no whole safetensors"),
    ("offsets-negative", offsets(-128, 0), "no whole safetensors"),
    ("shape-overflows", header(lambda h: first(h).update(shape=[2**40, 2**40])), "no whole safetensors"),
    ("shape-lies", header(lambda h: first(h).update(shape=[HUGE])), "no whole safetensors"),
    ("dtype-lies", header(lambda h: first(h).update(dtype="F64")), "no whole safetensors"),
    ("dtype-unknown", header(lambda h: first(h).update(dtype="EVIL")), "no whole safetensors"),
    ("name-climbs", header(lambda h: h.update({"../../evil": h.pop(NORM)})), f"lack {NORM}"),
    ("data-cut", raw(lambda b: b[:-1]), "no whole safetensors"),
    ("data-too-long", raw(lambda b: b + b"x"), "no whole safetensors"),
    ("weights-pipe", replaced_by(os.mkfifo), "no model.safetensors"),
    ("weights-endless", replaced_by(lambda p: p.symlink_to("/dev/zero")), "no model.safetensors"),
    ("weights-another-file", replaced_by(lambda p: p.symlink_to("/etc/passwd")), "no whole safetensors"),
    ("weights-lost-link", replaced_by(lambda p: p.symlink_to("nowhere")), "no model.safetensors"),
    ("gguf-only", replaced_by(lambda p: (p.parent / "model.gguf").write_bytes(b"GGUF" + bytes(100))), "model.gguf"),
    ("gguf-renamed", raw(lambda b: b"GGUF\x03\0\0\0" + b"\xff" * 64), "GGUF and no safetensors"),
    # Shards.
    ("index-climbs", outside, "names '../elsewhere.safetensors'"),
    ("index-climbs-to-a-system-file", shards({NORM: "../../../../../../etc/passwd"}), "files are .safetensors beside"),
    ("index-absolute", shards({NORM: "/etc/passwd"}), "files are .safetensors beside"),
    ("index-with-a-pickle", shards({NORM: "pytorch_model.bin"}), "files are .safetensors beside"),
    ("index-names-a-lost-shard", shards({NORM: "model-00002-of-00002.safetensors"}), "is missing"),
    ("index-names-numbers", shards({NORM: 3}), "no weight_map"),
    ("index-a-list", shards([NORM]), "no weight_map"),
    ("index-empty", shards({}), "no weight_map"),
    # Architectures.
    ("bert", another("Bert", **SMALL), "BertLMHeadModel, which has no model.layers"),
    ("t5", another("T5", vocab_size=257, d_model=32, d_ff=64, num_layers=1, num_heads=4, d_kv=8), "whole number"),
    ("gpt2", another("GPT2", vocab_size=257, n_embd=32, n_layer=1, n_head=4), "is None, not a whole number"),
    ("mamba", another("Mamba", vocab_size=257, hidden_size=32, num_hidden_layers=1), "whole number|no model.layers"),
    # Tokenizers.
    ("no-tokenizer", lambda folder: [path.unlink() for path in folder.glob("token*")], "no tokenizer"),
    ("tokenizer-no-json", write("tokenizer.json", "{"), "no tokenizer that"),
    ("tokenizer-binary", write("tokenizer.json", b"\x80\x04\x95"), "no tokenizer that"),
    ("tokenizer-deep", write("tokenizer.json", deep(100_000)), "no tokenizer that"),
    ("tokenizer-empty-model", write("tokenizer.json", '{"model": {}}'), "no tokenizer that"),
    ("tokenizer-config-no-json", write("tokenizer_config.json", "no"), "no JSON"),
    ("tokenizer-config-deep", write("tokenizer_config.json", deep(100_000)), "no JSON"),
    ("tokenizer-nonsense-tokens", tokenizer(added_tokens_decoder={"x": 3}), "no tokenizer that"),
    ("tokenizer-of-another-model", lambda folder: more_tokens(folder, 40), "tokens, its model only 257"),
]  # fmt: skip


def more_tokens(folder: Path, count: int) -> None:
    known = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = known["model"]["vocab"]
    vocabulary |= {f"token{number}": len(vocabulary) + number for number in range(count)}
    (folder / "tokenizer.json").write_text(json.dumps(known), encoding="utf-8")
