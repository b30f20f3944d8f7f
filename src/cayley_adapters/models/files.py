"""Files of models that strangers may have made: nothing in them is believed before it was checked, and none is run.

What is cheap – names, sizes, JSON – is checked wherever a model is opened; numbers and hashes once, before it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from cayley_adapters.core.errors import CayleyError

__all__ = [
    "LEFT_BEHIND",
    "LIMITS",
    "bounded",
    "check_download",
    "check_folder",
    "companions",
    "has_tokenizer",
    "model_files",
    "read_json",
    "stored_projections",
    "weight_files",
]

LARGEST_JSON = 256 * 2**20
"""Bytes; the largest tokenizers have some 40 MB."""

LIMITS = {
    "vocab_size": 10_000_000,
    "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000,
    "num_hidden_layers": 10_000,
    "num_attention_heads": 100_000,
    "num_key_value_heads": 100_000,
    "head_dim": 100_000,
    "max_position_embeddings": 1_000_000_000,
}
"""Key of ``config.json`` → largest number; far above all published models, and small enough to be counted with."""

NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
CODE = ("auto_map", "trust_remote_code", "custom_pipelines")
"""Keys by which a model asks for its own Python code to be run."""

LARGEST_HEADER = 100_000_000
"""Bytes, as safetensors has it."""

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model")
OTHERS = {b"PK\x03\x04": "a zip archive, as torch.save writes pickles", b"\x80": "a pickle", b"GGUF": "a GGUF"}
"""How files begin that are often renamed to ``.safetensors``."""


LEFT_BEHIND = (
    *(
        ".bin",
        ".pt",
        ".pth",
        ".ckpt",
        ".pkl",
        ".pickle",
        ".gguf",
        ".h5",
        ".msgpack",
        ".onnx",
        ".tflite",
        ".npz",
        ".npy",
    ),
    *(".py", ".pyc", ".so", ".sh", ".ipynb", ".zip", ".tar", ".gz", ".lock", ".md"),
)
"""How names of files end that are no part of a model as it is used here: other formats of weights, code, and cards."""

TEMPLATES = "additional_chat_templates"
"""The one folder in a model's folder that a tokenizer reads."""


def model_files(folder: Path) -> list[Path]:
    """All files of a model that something may be read from: weights, configuration, and what goes along with them.

    A tokenizer or a generation configuration may need files of any name, so that those are left out that cannot matter.
    """
    return [
        path
        for path in sorted([*folder.glob("*"), *(folder / TEMPLATES).glob("*.jinja")])
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(LEFT_BEHIND)
    ]


def companions(folder: Path) -> list[Path]:
    """Those of a model's files that any model made of it needs as well: all but weights and their description."""
    own = ("config.json", "compression.json")
    return [
        path
        for path in model_files(folder)
        if path.name not in own and not path.name.endswith((".safetensors", ".safetensors.index.json"))
    ]


def has_tokenizer(folder: Path) -> bool:
    """Whether a model's folder has files of a tokenizer."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a stranger.

    Raises:
        CayleyError: it is no file, too large, no JSON, or no object.
    """
    try:
        if not path.is_file():
            raise CayleyError(f"{path} is no file")
        if path.stat().st_size > LARGEST_JSON:
            raise CayleyError(f"{path} has more than {LARGEST_JSON // 2**20} MB, which no such file needs")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CayleyError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise CayleyError(f"{path} is no JSON ({error}); save or fetch it again") from error
    if not isinstance(found, dict):
        raise CayleyError(f"{path} holds no JSON object; save or fetch it again")
    return found


def bounded(config: Mapping[str, Any]) -> str | None:
    """Say which size in a ``config.json`` no model has; None where all can be counted with."""
    for key, most in LIMITS.items():
        value = config.get(key)
        if value is None and key not in NEEDED:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            return f"{key} is {str(value)[:40]}, not a whole number between 1 and {most}"
    return None


def weight_files(folder: Path) -> list[Path]:
    """The files of a model's weights, as transformers finds them: one, or those that an index names.

    Raises:
        CayleyError: there is none, one is missing, or the index names one that lies elsewhere.
    """
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        others = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth", "*.gguf") for path in folder.glob(kind))
        raise CayleyError(
            f"{folder} has no model.safetensors and no model.safetensors.index.json"
            + (f", but {others[0]}; pickles are never loaded, since they can run code, nor are" if others else "; not")
            + " other formats: load the model where you trust it and save it with model.save_pretrained(folder)"
        )
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise CayleyError(f"{index} has no weight_map of tensors to files; save or fetch the model again")
    names = sorted(set(named.values()))
    for name in names:
        if name != PurePath(name).name or not name.endswith(".safetensors"):
            raise CayleyError(f"{index} names {name[:200]!r}; a model's files are .safetensors beside its index")
        if not (folder / name).is_file():
            raise CayleyError(f"{folder} is not a whole model: {name} is missing; fetch or save it again")
    return [folder / name for name in names]


def stored_projections(folder: Path) -> list[str]:
    """Last names of the matrices in a model's decoder layers, from its files' headers: no number is read.

    Raises:
        CayleyError: the folder is no whole model.
    """
    headers = [item for path in weight_files(folder) for item in _check_header(path).items()]
    names = (name for name, about in headers if len(about.get("shape", ())) == 2)
    found = (re.fullmatch(r"model\.layers\.\d+\.(?:self_attn|mlp)\.(\w+)\.weight", name) for name in names)
    return list(dict.fromkeys(match[1] for match in found if match))


def check_folder(folder: Path) -> Path:
    """Refuse what is no whole model folder, or wants to run its own code. No tensor is read.

    Raises:
        CayleyError: see there.
    """
    if not (folder / "config.json").is_file():
        raise CayleyError(f"{folder} is no model folder: config.json is missing. Set model.path to a saved model.")
    for path in weight_files(folder):
        _check_header(path)
    if not has_tokenizer(folder):
        raise CayleyError(f"{folder} has no tokenizer; add it with tokenizer.save_pretrained(folder).")
    for name in ("config.json", "tokenizer_config.json"):
        settings = read_json(folder / name) if (folder / name).exists() else {}
        if asked := [key for key in CODE if settings.get(key)]:
            raise CayleyError(
                f"{folder} asks to run its own Python code ({asked[0]} in {name}), which is never done; use a model "
                "that transformers knows without"
            )
    config = read_json(folder / "config.json")
    if config.get("quantization_config"):
        raise CayleyError(f"{folder} has quantised weights; save the model in float32 or bfloat16 first")
    if (folder / "adapter_config.json").exists():
        raise CayleyError(
            f"{folder} holds adapter_config.json: transformers would load the model that it names instead of this "
            "one; merge the adapter, or move it out of the folder"
        )
    if wrong := bounded(config):
        raise CayleyError(
            f"{folder / 'config.json'}: {wrong}; models of the Llama family are supported (Llama, Mistral, Qwen2, "
            "SmolLM2 and the like)"
        )
    return folder


def _check_header(path: Path) -> dict[str, Any]:
    """Refuse other formats by name, and headers that readers may take differently; safetensors does the rest.

    Returns:
        Name → what is said of it, its ``shape`` for a tensor.
    """
    with path.open("rb") as stream:
        start = stream.read(8)
        length, left = int.from_bytes(start, "little"), path.stat().st_size - 8
        for magic, kind in OTHERS.items():
            # The header's length comes first and has no more than four bytes, so its upper ones are zero.
            if start.startswith(magic) and length > left:
                raise CayleyError(
                    f"{path} is {kind} and no safetensors file; it is not loaded, since it could run code. Save the "
                    "model with model.save_pretrained(folder)"
                )
        if not 0 < length <= min(left, LARGEST_HEADER):
            raise CayleyError(
                f"{path} is no whole safetensors file (a header of {length} bytes); save or fetch it again"
            )
        try:
            found: dict[str, Any] = json.loads(stream.read(length), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise CayleyError(f"{path} is no whole safetensors file ({error}); save or fetch it again") from error
    if not isinstance(found, dict) or not all(isinstance(about, dict) for about in found.values()):
        raise CayleyError(f"{path} is no whole safetensors file (its header is no table); save or fetch it again")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def check_download(folder: Path) -> int:
    """Compare files that came from the Hugging Face hub with the hashes that it names them by.

    The hub's cache keeps a file of a revision under its hash: SHA-256 for large files, git's SHA-1 for small ones. Its
    client compares sizes only.

    Args:
        folder: a revision in the cache.

    Returns:
        How many files were compared; 0 where the file system has no links, so that the cache holds no hashes.

    Raises:
        CayleyError: a file was damaged or changed.
    """
    checked = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_symlink()):
        blob = path.resolve()
        expected = blob.name
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", expected):
            continue
        digest = hashlib.sha256() if len(expected) == 64 else hashlib.sha1(usedforsecurity=False)
        if len(expected) == 40:
            digest.update(f"blob {blob.stat().st_size}\0".encode())
        for part in _parts(blob):
            digest.update(part)
        if digest.hexdigest() != expected:
            raise CayleyError(
                f"{path} has hash {digest.hexdigest()}, the hub names it {expected}: the download is damaged or was "
                f"changed. Delete {blob} and run the same command again"
            )
        checked += 1
    return checked


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(2**22):
            yield part
