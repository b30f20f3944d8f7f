"""Tokenizers beside models: loaded, found to read text, and compared with the ones they are copies of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["load_tokenizer", "require_reading", "require_same_tokenizer"]

SAMPLE = "The quick brown fox, 1234 years old: naïve café?\n\tdef f(x): return x**2  # ✓ 漢字 🙂"
"""Letters, digits, signs, spaces, line ends, accents and other scripts: what tokenizers take apart differently."""


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


def require_reading(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a tokenizer to which every text is empty or unknown, as one whose vocabulary was left behind.

    Raises:
        CayleyError: see there.
    """
    ids = set(tokenizer.encode(SAMPLE, add_special_tokens=False))
    if not ids - {tokenizer.unk_token_id}:
        raise CayleyError(
            f"the tokenizer of {folder} knows {len(tokenizer)} tokens, and none of a plain text: its vocabulary is "
            "missing (tokenizer.json, or vocab.json and merges.txt, or tokenizer.model); save it again with "
            "tokenizer.save_pretrained(folder)"
        )


def require_same_tokenizer(source: Path, folder: Path) -> None:
    """Compare a model's tokenizer with the one it was copied from, by what they make of a text.

    Raises:
        CayleyError: they differ.
    """
    original, copied = load_tokenizer(source), load_tokenizer(folder)
    if len(original) != len(copied) or original.encode(SAMPLE) != copied.encode(SAMPLE):
        raise CayleyError(
            f"the tokenizer of {source} reads text otherwise once its files are copied: it needs a file that was left "
            "behind; save it with tokenizer.save_pretrained(folder) into the model's folder, and run the same command "
            "again"
        )
