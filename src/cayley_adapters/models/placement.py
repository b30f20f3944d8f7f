"""Where a model runs: the processor, or a GPU that holds all of it or takes its layers as they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    import torch

__all__ = ["device_map", "device_named", "input_device", "place"]

SHARE_OF_GPU = 0.8
"""Of a GPU's free memory, how much weights may take; activations need the rest."""


def device_named(name: str) -> torch.device:
    """The device of a configuration: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is any.

    Raises:
        CayleyError: CUDA is asked for and not there.
    """
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise CayleyError("device cuda: this machine or this build of torch has no CUDA; type auto or cpu instead")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def device_map(model: Any, memory: dict[int | str, int]) -> dict[str, int | str]:
    """Which part of a model lies where; no decoder layer is divided.

    Args:
        model: a causal language model of transformers.
        memory: device → bytes for weights; what fits nowhere is left to ``disk``.
    """
    from accelerate import infer_auto_device_map

    parts: dict[str, int | str] = infer_auto_device_map(
        model, memory, no_split_module_classes=list(model._no_split_modules)
    )
    return parts


def place(model: Any, device: torch.device) -> Any:
    """Bring a model to a device, before adapters are put into it.

    On the CPU weights stay where they are, mapped from disk or not. A GPU gets what fits into its memory; layers that
    do not stay with the CPU and are moved there whenever they run (accelerate's hooks).
    """
    import torch

    if device.type == "cpu":
        return model
    from accelerate import dispatch_model

    free, _ = torch.cuda.mem_get_info()
    rest = 2 * sum(value.numel() * value.element_size() for value in model.state_dict().values())
    return dispatch_model(model, device_map(model, {0: int(SHARE_OF_GPU * free), "cpu": rest}))


def input_device(model: Any) -> torch.device:
    """Where a model's token ids or hidden states go; what is offloaded brings them to where it runs by itself."""
    import torch

    device = next(model.parameters()).device
    return torch.device("cpu") if device.type == "meta" else device
