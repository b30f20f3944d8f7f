"""What the benchmarks on the real model share: train through the workflow, then evaluate the cells in one process."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numba import set_num_threads
from peft import PeftModel

from cayley_adapters.adapters.cayley.layer import blocks_of
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.windows import Windows, load_windows

__all__ = ["Cell", "load_cell", "run_workflow"]


@dataclass(frozen=True)
class Cell:
    """A trained cell: its model, its blocks in float64, their circuits, and the test windows."""

    model: Any
    blocks: dict[str, torch.Tensor]
    circuits: dict[str, BlockCircuits]
    windows: Windows

    def perplexity(self, executor: Any) -> tuple[float, float]:
        """Perplexity on the test windows with an executor, and the seconds that it took."""
        set_executor(self.model, executor)
        with torch.no_grad():
            start = time.perf_counter()
            losses = token_losses(self.model, self.windows.tokens, 3)
        return float(np.exp(losses.mean())), time.perf_counter() - start


def run_workflow(overrides: str) -> None:
    """Make the maps, with the machine's cores; what is finished is not repeated. Then use all cores in this process."""
    snakemake = [str(Path(sys.executable).with_name("snakemake")), "--cores", str(psutil.cpu_count()), "phase_diagram"]
    subprocess.run([*snakemake, "--config", f"overrides={overrides}"], check=True)
    set_num_threads(psutil.cpu_count())  # before torch, whose threads numba's first call would reset
    set_threads(psutil.cpu_count())


def load_cell(base: Path, block_dim: int) -> Cell:
    """Load the cell of seed 0 at ratio 0.2 from a results folder."""
    name = f"ratio0.2/d{block_dim}/seed0"
    model = PeftModel.from_pretrained(load_compressed(base / "compressed/ratio0.2"), base / "adapters" / name).eval()
    blocks = {
        key: blocks_of(layer.cayley_theta["default"].detach().double(), layer.cayley_config["default"])
        for key, layer in adapted_layers(model).items()
    }
    windows = load_windows(base / "prepared/tokens.safetensors", "test").first(9, "windows")
    return Cell(model, blocks, load_circuits(base / "circuits" / name / "angles.safetensors"), windows)
