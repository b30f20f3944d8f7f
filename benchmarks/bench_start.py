"""Does a closed-form start help? Blocks from orthogonal Procrustes on calibration data, against the identity.

    python benchmarks/bench_start.py [--windows 24]

For a projection W of the uncompressed model with inputs X and its counterpart W' with inputs X' in the compressed one,
the inputs that would give the wanted outputs are Z = X' + W'⁺(WX − W'X'), with a regularised pseudo-inverse. Block b is
the rotation of slice b that comes closest to them, argmin ‖Q_b X'_b − Z_b‖ (Schönemann, Psychometrika 31, 1 (1966)).
Layers are set in order, each with what the layers below it now produce. Printed is the mean nll of held-out text before
and after, on all 210 projections of SmolLM2-135M; before that, a check that rotations that are known are found.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import psutil
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.transform import cayley, inverse_cayley
from cayley_adapters.models.base import load_model, locate, set_threads
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.layerwise import LayerCall, layer_inputs, run_layer
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.windows import load_windows
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose
from cayley_adapters.settings.fields import PROJECTIONS

RIDGES = (1e-2, 1.0)
"""Added to W'ᵀW', relative to its mean diagonal: a large one corrects only what W' passes on strongly."""


def procrustes(cross: torch.Tensor) -> torch.Tensor:
    """Rotations Q that maximise tr(Qᵀ C), ``(…, d, d)``."""
    u, _, vh = torch.linalg.svd(cross)
    signs = torch.ones(cross.shape[:-1], dtype=cross.dtype)
    signs[..., -1] = torch.linalg.det(u @ vh).sign()
    return (u * signs[..., None, :]) @ vh


def watched(layer: Any, modules: dict[str, Any], state: torch.Tensor, call: LayerCall, inputs: bool) -> dict[str, Any]:
    """What enters or leaves some modules of a layer, ``(tokens, features)`` each."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(
            lambda _, args, output, name=name: seen.update({name: (args[0] if inputs else output).flatten(0, -2)})
        )
        for name, module in modules.items()
    ]
    try:
        call(layer, state)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@torch.no_grad()
def start(model: Any, teacher: Any, tokens: np.ndarray, ridge: float, batch_windows: int = 8) -> None:
    """Set the blocks of an adapted model, layer after layer."""
    batches = np.array_split(tokens, -(-len(tokens) // batch_windows))
    adapted, base = adapted_layers(model), model.get_base_model()
    wanted, calls = layer_inputs(teacher, batches)
    states, _ = layer_inputs(base, batches)
    for index, (layer, original) in enumerate(zip(base.model.layers, teacher.model.layers, strict=True)):
        call = calls[index]
        mine = {name: item for name, item in adapted.items() if name.startswith(f"model.layers.{index}.")}
        sums: dict[str, list[torch.Tensor]] = {}
        for position, (state, target) in enumerate(zip(states, wanted, strict=True)):
            inputs = watched(layer, mine, state, call, inputs=True)
            outputs = watched(original, {n: teacher.get_submodule(n) for n in mine}, target, call, inputs=False)
            for name, x in inputs.items():
                parts = [x.T @ x, outputs[name].T @ x]
                sums[name] = [old + new for old, new in zip(sums[name], parts, strict=True)] if position else parts
        for name, (gram, cross) in sums.items():
            set_blocks(mine[name], gram.double(), cross.double(), ridge)
        states, wanted = run_layer(layer, states, call), run_layer(original, wanted, call)


def set_blocks(layer: Any, gram: torch.Tensor, cross: torch.Tensor, ridge: float) -> None:
    """Blocks from X'X'ᵀ ``(in, in)`` and WX X'ᵀ ``(out, in)``."""
    theta = layer.cayley_theta["default"]
    weight = layer.get_base_layer().weight.detach().double()
    square = weight.T @ weight
    square += ridge * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    towards = gram + torch.linalg.solve(square, weight.T @ (cross - weight @ gram))
    d = len(gram) // len(theta)
    diagonal = torch.stack([towards[b * d : (b + 1) * d, b * d : (b + 1) * d] for b in range(len(theta))])
    theta.copy_(inverse_cayley(procrustes(diagonal)))


def check() -> None:
    """Where the compressed model differs by rotations of its inputs alone, the start finds them."""
    folder = locate({"name": "tiny_random", "source": "random", "seed": 0})
    student, theta = load_model(folder), 0.3 * torch.randn(8, 6, generator=torch.manual_seed(0))
    weight = student.model.layers[0].self_attn.q_proj.weight
    weight.data = weight.data @ torch.block_diag(*cayley(theta)).T
    model = get_peft_model(student, CayleyConfig(block_dim=4, target_modules=["q_proj"]))
    start(model, load_model(folder), np.random.default_rng(0).integers(1, 257, (6, 24)), 1e-6)
    found = adapted_layers(model)["model.layers.0.self_attn.q_proj"].cayley_theta["default"]
    error = float((found - theta).abs().mean() / theta.abs().mean())
    print(f"planted rotations are found up to {error:.1e} of their size")
    assert error < 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=24)
    options = parser.parse_args()
    (settings,) = compose(overrides=["run=bench_compression"])
    (prepare,) = jobs([settings], "prepare")
    if not prepare.outputs["tokens"].exists():
        run_job(prepare)
    set_threads(psutil.cpu_count())
    check()
    calibration = load_windows(prepare.outputs["tokens"], "calibration").first(96, "windows").tokens
    held_out = load_windows(prepare.outputs["tokens"], "train").tokens[-9:]
    folder = locate(settings.leaf("model"))
    teacher = load_model(folder)
    for ratio in (0.1, 0.3):
        for d in (4, 64):
            base = load_model(folder)
            compress(base, ratio, tokens=calibration)
            model = get_peft_model(base, CayleyConfig(block_dim=d, target_modules=list(PROJECTIONS))).eval()
            figures = [f"identity {token_losses(model, held_out, 3).mean():.4f}"]
            for ridge in RIDGES:
                start(model, teacher, calibration[: options.windows], ridge)
                figures.append(f"start with ridge {ridge:g} {token_losses(model, held_out, 3).mean():.4f}")
            print(f"ratio {ratio}, d = {d}: nll {', '.join(figures)}", flush=True)


if __name__ == "__main__":
    main()
