"""Saved adapters, read with the distrust that files of strangers deserve."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft.config import PeftConfig

from cayley_adapters.adapters.cayley.base_identity import base_digest, differs
from cayley_adapters.circuits.sizes import WHOLE
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.files import read_json
from cayley_adapters.models.weights import Weights

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["load_adapter", "read_adapter"]

KINDS = ("CAYLEY", "LORA", "OFT", "BOFT", "IA3")
SIZES = ("r", "block_dim", "oft_block_size", "boft_block_size", "boft_n_butterfly_factor")
"""Keys of a configuration that PEFT makes room for before it reads a tensor."""

REGULAR = ("block_dim_pattern", "modules_to_save")
"""Keys whose every name is a regular expression."""

PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules", *REGULAR)
KNOWN = {
    *("peft_type", "task_type", "base_model_name_or_path", "revision", "inference_mode", "peft_version"),
    *("layers_to_transform", "layers_pattern", "ansatz", "brickwork_depth", "readout", "lora_alpha"),
    *("auto_mapping", "use_cayley_neumann", "coft", "block_share", "bias"),
    *("modules_to_save", "base_weights", "requires", "init_weights", "padded"),
    *SIZES,
    *PATTERNS,
}
"""Keys that may differ from their default. Others make PEFT replicate layers, import modules or compute at length."""


def read_adapter(
    folder: Path | str, kind: type[PeftConfig] = PeftConfig, whole_modules: bool = False
) -> tuple[Any, dict[str, torch.Tensor]]:
    """Read a saved adapter without a model: only JSON and safetensors, only from the folder.

    Args:
        folder: as PEFT's ``save_pretrained`` leaves it.
        kind: of the configuration.
        whole_modules: whether it may bring modules of its own (``modules_to_save``), such as a classifier's head.

    Returns:
        Its configuration, and its tensors by name.

    Raises:
        CayleyError: it is no adapter of a kind that a run makes, or holds numbers that nothing can be computed with.
    """
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    folder = Path(folder)
    try:
        written = read_json(folder / "adapter_config.json")
    except CayleyError as error:
        raise CayleyError(f"{folder} is no adapter that PEFT saved: {error}") from error
    name = written.get("peft_type")
    if name not in KINDS:
        raise CayleyError(f"{folder} holds an adapter of type {str(name)[:40]!r}; known are {', '.join(KINDS)}")
    if not (folder / "adapter_model.safetensors").is_file():
        found = (
            " (adapter_model.bin is a pickle, which is never loaded)" if (folder / "adapter_model.bin").exists() else ""
        )
        raise CayleyError(
            f"{folder} has no adapter_model.safetensors{found}; save it with model.save_pretrained(folder), or "
            "train it again"
        )
    weights = Weights([folder / "adapter_model.safetensors"])
    weights.check_finite()
    tensors = weights.tensors(weights.files)
    if strange := [name for name, value in tensors.items() if not value.is_floating_point()]:
        raise CayleyError(
            f"{folder}: {strange[0][:200]!r} holds {tensors[strange[0]].dtype}, not floating-point numbers"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = PEFT_TYPE_TO_CONFIG_MAPPING[name].from_pretrained(str(folder))
    except CayleyError as error:
        raise CayleyError(f"{folder / 'adapter_config.json'}: {error}") from error
    except Exception as error:  # whatever PEFT makes of values that it was not written for
        raise CayleyError(
            f"{folder} is no adapter that PEFT saved: {type(error).__name__}: {str(error)[:300]}"
        ) from error
    if not isinstance(config, kind):
        raise CayleyError(f"{folder} holds an adapter of type {name}, not one of {kind.__name__}")
    brought = getattr(config, "modules_to_save", None)
    if brought and not whole_modules:
        raise CayleyError(
            f"{folder / 'adapter_config.json'}: modules_to_save={str(brought)[:200]} brings modules that replace those "
            "of the base model; if they are wanted, call load_adapter(…, whole_modules=True)"
        )
    if wrong := _unusual(config, tensors):
        raise CayleyError(f"{folder / 'adapter_config.json'}: {wrong}; train the adapter again")
    return config, tensors


def _unusual(config: PeftConfig, tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Say what in a configuration no adapter of a run has."""
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name not in KNOWN and value != default:
            return f"{field.name}={str(value)[:80]} is an option of PEFT that is not used here"
    largest = max((max(value.shape, default=0) for value in tensors.values()), default=0)
    sizes = {key: getattr(config, key, None) or 0 for key in SIZES} | (getattr(config, "block_dim_pattern", None) or {})
    for key, value in sizes.items():
        if value == WHOLE and key not in SIZES[2:]:
            continue
        if not isinstance(value, int) or not 0 <= value <= max(2 * largest, 8):
            return f"{key}={str(value)[:40]} fits none of its tensors, of which the longest side is {largest}"
    for key in PATTERNS:
        value = getattr(config, key, None)
        for pattern in [value] if isinstance(value, str) else value if key in REGULAR and value else []:
            # Nested or many repetitions can take for ever to find that a name does not match.
            if re.search(r"\)[*+?{]", str(pattern)) or len(re.findall(r"[*+{]", str(pattern))) > 3:
                return f"{key}={str(pattern)[:80]} is a pattern that could take for ever; give a list of names"
    return None


def load_adapter(base: Any, folder: Path | str, *, whole_modules: bool = False, any_base: bool = False) -> PeftModel:
    """Put a saved adapter on a model, in evaluation mode.

    Args:
        base: the model that it was trained on.
        folder: as PEFT's ``save_pretrained`` leaves it.
        whole_modules: whether it may bring modules of its own, such as a classifier's head.
        any_base: whether the model may have other weights than the one that it was trained on.

    Raises:
        CayleyError: it cannot be read, or is of another model: a tensor is missing, too many, or of another shape, or
            the model's weights have another digest.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils.constants import EMBEDDING_LAYER_NAMES

    config, tensors = read_adapter(folder, whole_modules=whole_modules)
    config.inference_mode = True
    recorded = getattr(config, "base_weights", None)
    if recorded and differs(recorded, found := base_digest(base, config.modules_to_save)):
        if not any_base:
            raise CayleyError(
                f"{folder} was trained on a base model whose weights have the digest {recorded}, and this one's is "
                f"{found}; take the model that it was trained on, or call load_adapter(…, any_base=True)"
            )
        config.base_weights = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found missing adapter keys")  # which is no warning but an error
            model = PeftModel.from_pretrained(base, str(folder), config=config)
    except CayleyError as error:
        raise CayleyError(f"{folder} does not fit this model: {error}") from error
    except Exception as error:  # PEFT's and torch's own classes: no such module, other shapes
        raise CayleyError(
            f"{folder} does not fit this model: {' '.join(str(error).split())[:300]}; take the model that it was "
            "trained on, or train it again"
        ) from error
    # PEFT's own guess whether embeddings belong to it asks the hub for a base model that is not a folder here
    layers = set(EMBEDDING_LAYER_NAMES) - set(config.modules_to_save or ())
    embeddings = any(f".{layer}.weight" in name for name in tensors for layer in layers)
    held = get_peft_model_state_dict(model, save_embedding_layers=embeddings)
    for what, names in (("lacks", held.keys() - tensors.keys()), ("has no place for", tensors.keys() - held.keys())):
        if names:
            subject = "the adapter" if what == "lacks" else "the model"
            raise CayleyError(
                f"{folder} does not fit this model: {subject} {what} {min(names)[:200]!r}, and {len(names) - 1} more; "
                "take the model that it was trained on, or train it again"
            )
    return model.eval()
