"""The model card of a saved adapter, in the form that PEFT and the hub have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cayley_adapters.adapters.cayley.config import CayleyConfig

__all__ = ["fill_card", "write_card"]

BLANK = "[More Information Needed]"
"""What PEFT's template of a card has where nobody wrote anything."""


def fill_card(path: Path, config: CayleyConfig) -> None:
    """Replace PEFT's blank template by what is known of the adapter; a card that someone wrote stays as it is.

    Args:
        path: the ``README.md`` that PEFT has written; nothing happens where there is none.
        config: of the adapter beside it.
    """
    from huggingface_hub import ModelCard

    if not path.is_file():
        return
    card = ModelCard.load(path)
    if BLANK in card.text:
        card.data.tags = sorted({*(card.data.tags or []), "cayley-adapters"})
        card.text = _text(config)
        card.save(path)


def write_card(
    folder: Path,
    config: CayleyConfig,
    trained_on: str | None = None,
    *,
    base: str | None = None,
    licence: str | None = None,
) -> None:
    """Write the card of an adapter.

    Args:
        folder: of the saved adapter.
        config: its configuration.
        trained_on: the data, as a sentence; a place to say it is left if None.
        base: the expression that loads the base model, where it has no name on the hub.
        licence: as the hub names it, such as ``apache-2.0``.
    """
    from huggingface_hub import ModelCard, ModelCardData

    about = ModelCardData(
        library_name="peft",
        tags=["cayley-adapters", "peft"],
        base_model=config.base_model_name_or_path or None,
        license=licence,
    )
    card = ModelCard(f"---\n{about.to_yaml()}\n---\n{_text(config, trained_on, base)}")
    card.save(folder / "README.md")


def _text(config: CayleyConfig, trained_on: str | None = None, loading: str | None = None) -> str:
    base = config.base_model_name_or_path
    named = f'AutoModelForCausalLM.from_pretrained("{base}")' if base else "…  # the model that it was trained on"
    where = config.target_modules if isinstance(config.target_modules, str) else sorted(config.target_modules or [])
    size = f"d = {config.block_dim}"
    if config.block_dim_pattern:
        size += " (" + ", ".join(f"{name}: {d}" for name, d in sorted(config.block_dim_pattern.items())) + ")"
    formula = "I + A with any A" if config.ansatz == "free" else "Q = (I − K/2)(I + K/2)⁻¹"
    training = trained_on or "Not stated. Say here which text or task the blocks were trained on, and for how long."
    weights = (
        f"Digest of the base model's weights: `{config.base_weights}`. On another model of the same shape the adapter "
        "does something, but nothing that was trained."
        if config.base_weights
        else "No digest of the base model's weights is known."
    )
    return f"""
# Cayley adapter

Blocks {formula} ({size}, ansatz {config.ansatz}, readout {config.readout}) that rotate the inputs of
{where if isinstance(where, str) else ", ".join(where)}, slice by slice, in a frozen model.

## Use

PEFT knows the method once `cayley_adapters` is imported; where it was not, loading ends with `KeyError: 'CAYLEY'`.

```python
import cayley_adapters
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = {loading or named}
model = PeftModel.from_pretrained(base, "this folder, or its name on the hub")
```

The blocks run exactly then. To run them as circuits on a simulated quantum processor, noise included:

```python
import numpy as np, torch
from cayley_adapters import DeviceNoise, NoisyExecutor, compile_blocks, set_executor, synthesise
from cayley_adapters.adapters.cayley.model import trained_blocks

noise = DeviceNoise.from_backend("FakeFez", scale=1.0)
blocks = {{name: compile_blocks(synthesise(q.numpy()), noise) for name, q in trained_blocks(model).items()}}
set_executor(model, NoisyExecutor(blocks, shots=8192))
with torch.no_grad():
    model.generate(…)
```

## Base model

{f"`{base}`" if base else "Not stated."} {f"Revision {config.revision}." if config.revision else ""}
{weights}

## Training

{training}

## Licence

The adapter holds no weights of the base model. Whether it may be used and passed on hangs on that model's licence, on
that of the text, and on what its author grants (`license:` in the head of this file).

### Framework versions

- PEFT {config.peft_version}
"""
