"""GGUF files as folders of safetensors with a tokenizer, which is how all models are read."""

from __future__ import annotations

from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, cache_directory, locked, sha256

__all__ = ["converted", "dequantise"]


def dequantise(gguf: Path, target: Path) -> None:
    """Write a GGUF's weights as float32 safetensors, with its tokenizer.

    Args:
        gguf: of an architecture that transformers' reader knows.
        target: a folder.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
    )
    # A loaded GGUF stays marked as quantised and refuses to be saved: carry its weights into a clean model.
    config = source.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    clean = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    clean.load_state_dict(source.state_dict())
    clean.generation_config = source.generation_config
    clean.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False).save_pretrained(target)


def converted(gguf: Path) -> Path:
    """The folder in the cache that a GGUF was converted to, which is done once for each content.

    Raises:
        CayleyError: it is no file, or none that transformers can read.
    """
    if not gguf.is_file():
        raise CayleyError(f"{gguf} is no file; give a GGUF file, a folder, or the name of a model")
    folder = cache_directory() / "models" / f"{gguf.stem}-{sha256(gguf)[:16]}"
    with locked(folder):
        if not folder.exists():
            try:
                with atomic_directory(folder) as temporary:
                    dequantise(gguf, temporary)
            except CayleyError:
                raise
            except Exception as error:  # transformers', gguf's and NumPy's own classes
                raise CayleyError(
                    f"{gguf} is no GGUF file that transformers can read ({type(error).__name__}: "
                    f"{' '.join(str(error).split())[:300]}); save the model as safetensors instead"
                ) from error
    return folder
