"""Base models: the embedded SmolLM2-135M, hub models, local folders and a tiny random one for tests.

Every source ends as one folder of safetensors with configuration and tokenizer, which :func:`load_model` reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, cached, locked
from cayley_adapters.core.messages import say
from cayley_adapters.models.files import LEFT_BEHIND, check_download, check_folder
from cayley_adapters.models.packaged import packaged, packaged_gguf
from cayley_adapters.models.tokenizers import load_tokenizer, require_reading

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["cached_folder", "check_model", "load_model", "load_tokenizer", "locate", "projections", "set_threads"]


def locate(model: Mapping[str, Any]) -> Path:
    """Return the folder that holds ``model``, fetching and converting it on first use.

    Args:
        model: the ``model`` group of the configuration: ``source`` (``embedded``, ``hub``, ``local``, ``gguf`` or
            ``random``) with ``id`` and ``revision``, ``path`` or ``seed``.

    Raises:
        CayleyError: the source cannot be reached or is not a whole model.
    """
    source = model["source"]
    if source == "embedded" and packaged(model).terms and not model.get("agree"):
        packaged_gguf(model)  # which says what there is to accept, also where the model is in the cache
    if source == "local":
        return check_folder(Path(model["path"]).expanduser())
    if source == "hub":
        return check_folder(_from_hub(model["id"], model["revision"]))
    folder = _made_here(model)
    with locked(folder):
        if not _whole(folder):
            with atomic_directory(folder) as temporary, _no_progress_bars():
                (_make_random if source == "random" else _convert_gguf)(model, temporary)
    return folder


def _whole(folder: Path) -> bool:
    """Whether a model is in the cache and was not damaged there, as far as sizes and headers tell."""
    from cayley_adapters.models.weights import Weights

    try:
        Weights.of_model(check_folder(folder))
    except CayleyError:
        return False
    return True


def _made_here(model: Mapping[str, Any]) -> Path:
    """Where in the cache a model lies, or will, that is converted or random.

    Raises:
        CayleyError: there is no file that it would be made of.
    """
    try:
        key = _key(model)
    except OSError as error:
        raise CayleyError(f"model.path={model.get('path')}: cannot be read ({error.strerror}); give a file") from error
    return cached("models", f"{model['name']}-{key}")


def _key(model: Mapping[str, Any]) -> str:
    """What tells a model made here from others of its name."""
    source = model["source"]
    if source == "gguf":
        path = Path(model["path"]).expanduser().resolve()
        status = path.stat()
        # Not of its bytes: each job asks, and reading gigabytes takes longer than many a job.
        return hashlib.sha256(f"{path} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
    return f"seed{model.get('seed') or 0}" if source == "random" else packaged(model).parts[0].wheel_sha256[:16]


def cached_folder(model: Mapping[str, Any]) -> Path | None:
    """The folder of :func:`locate` if it is on this machine; nothing is fetched or made."""
    if model["source"] == "hub":
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(snapshot_download(model["id"], revision=model["revision"], local_files_only=True))
        except LocalEntryNotFoundError:
            return None
    try:
        folder = Path(model["path"]).expanduser() if model["source"] == "local" else _made_here(model)
    except CayleyError:  # the file that it was made of is gone
        return None
    return folder if folder.is_dir() else None


def check_model(model: Mapping[str, Any], folder: Path) -> None:
    """Refuse a model that is damaged, of another architecture, or not what it says, before anything is made from it.

    Its weights are read once, and those from the hub compared with its hashes.

    Args:
        model: the ``model`` group of the configuration.
        folder: where :func:`locate` found it.

    Raises:
        CayleyError: see there.
    """
    import torch

    from cayley_adapters.models.weights import Weights, empty_model

    check_folder(folder)
    if model["source"] == "hub" and not check_download(folder):
        say(f"warning: {folder} holds copies without hashes, so they cannot be compared with the hub's")
    weights = Weights.of_model(folder)
    empty = empty_model(folder, torch.float32, weights)
    if not hasattr(getattr(empty, "model", None), "layers"):
        raise CayleyError(
            f"{folder} is a {type(empty).__name__}, which has no model.layers; models of the Llama family are "
            "supported (Llama, Mistral, Qwen2, SmolLM2 and the like)"
        )
    weights.check(empty)
    tokenizer = load_tokenizer(folder)
    require_reading(tokenizer, folder)
    if (tokens := len(tokenizer)) > (known := empty.get_input_embeddings().num_embeddings):
        raise CayleyError(
            f"the tokenizer of {folder} has {tokens} tokens, its model only {known}: they do not belong together; save "
            "both from one model"
        )
    weights.check_finite()


def load_model(folder: Path, dtype: str = "float32") -> PreTrainedModel:
    """Load a causal language model on the CPU, frozen and in evaluation mode.

    Args:
        folder: the model.
        dtype: ``float32`` or ``bfloat16``; weights that have it in their files are mapped, see
            :class:`cayley_adapters.models.weights.Weights`. Compressed models are loaded in the same way.

    Raises:
        CayleyError: it is no such model.
    """
    from cayley_adapters.models.weights import DTYPES, Weights, empty_model

    weights = Weights.of_model(folder)
    model: PreTrainedModel = empty_model(folder, DTYPES[dtype], weights)
    weights.check(model)
    weights.fill(model, DTYPES[dtype])
    return model


def projections(model: Any, targets: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Map full module names to the modules whose last name is in ``targets``, in the model's order.

    Raises:
        CayleyError: a target names no module of the model; those that there are of its layers are told.
    """
    from torch import nn

    found = {name: module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in targets}
    present = {name.rsplit(".", 1)[-1] for name in found}
    if missing := [target for target in targets if target not in present]:
        linear = [
            name for name, module in model.named_modules() if isinstance(module, nn.Linear) and ".layers." in name
        ]
        there = list(dict.fromkeys(name.rsplit(".", 1)[-1] for name in linear))
        raise CayleyError(
            f"{type(model).__name__} has no projection named {', '.join(missing)}; its layers have {', '.join(there)}: "
            "leave the others out of the targets"
        )
    return found


def set_threads(count: int) -> None:
    """Prepare this process for arithmetic in float32.

    ``count`` CPU threads are used: a number from the configuration, so that results do not depend on ``--cores``.
    Matrix products go to oneDNN where that is as exact as the default and faster: on AMD processors MKL leaves AVX-512
    unused, and a product takes 2.3 times as long.
    """
    import torch

    torch.set_num_threads(count)
    # "medium" is how PyTorch is asked for oneDNN. It permits bfloat16, which oneDNN uses for float32 matrices only with
    # AMX tiles; there, and wherever a product turns out less exact than float32 should be, the default stays.
    if not torch.cpu._is_amx_tile_supported():
        torch.set_float32_matmul_precision("medium")
        if _matmul_error() > 2e-6:
            torch.set_float32_matmul_precision("highest")


def _matmul_error() -> float:
    """Relative error of a float32 product against float64."""
    import torch

    left, right = (
        torch.linspace(-1, 1, 256 * 576).sin().view(256, 576),
        torch.linspace(1, 9, 576 * 640).cos().view(576, 640),
    )
    exact = left.double() @ right.double()
    return float((left @ right - exact).norm() / exact.norm())


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Loading takes a second, and bars of several jobs at once are unreadable; a download's bar stays."""
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def _from_hub(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # Only data: safetensors, configuration, and whatever a tokenizer needs; never pickles or Python files.
        unwanted = [f"*{ending}" for ending in LEFT_BEHIND] + ["*/*.safetensors", "consolidated*.safetensors"]
        return Path(snapshot_download(name, revision=revision, ignore_patterns=unwanted))
    except Exception as error:  # the hub client raises its own, requests' and httpx' classes, all meaning the same here
        raise CayleyError(
            f"could not fetch {name} at revision {revision} from the Hugging Face hub ({type(error).__name__}).\n"
            "Check the network; for a gated model accept its licence on its page and run `hf auth login`. Without a "
            "hub, use the embedded model (model=smollm2_135m) or a folder (model=local model.path=FOLDER)."
        ) from error


def _convert_gguf(model: Mapping[str, Any], target: Path) -> None:
    """Dequantise a GGUF to float32 safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = Path(model["path"]).expanduser() if model["source"] == "gguf" else packaged_gguf(model)
    try:
        source = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    except Exception as error:  # whatever the reader of GGUF makes of a file that is damaged or of another kind
        raise CayleyError(
            f"{gguf} is no GGUF of a language model that transformers can read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:300]}); give another file, or a folder with model=local"
        ) from error
    # A loaded GGUF stays marked as quantised and refuses to be saved: carry its weights into a clean model.
    config = source.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    clean = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    clean.load_state_dict(source.state_dict())
    clean.generation_config = source.generation_config
    clean.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _make_random(model: Mapping[str, Any], target: Path) -> None:
    """A two-layer Llama with random weights and a byte-level tokenizer: for tests, never for a result."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0} | {symbol: index + 1 for index, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(target)

    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=0,
        bos_token_id=0,
        initializer_range=0.2,  # large enough that compression and noise visibly change the loss
    )
    with torch.random.fork_rng():
        torch.manual_seed(model.get("seed") or 0)
        LlamaForCausalLM(config).save_pretrained(target)
