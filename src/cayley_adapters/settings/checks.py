"""What levers need of the configuration that they change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cayley_adapters.analysis import GOALS
from cayley_adapters.core.messages import show
from cayley_adapters.settings.levers import LEVER_BLOCK_DIMS, LEVERS

if TYPE_CHECKING:
    from cayley_adapters.settings.schema import Settings

__all__ = ["wrong_levers"]

CHANGED = {
    "train.ansatz": "full",
    "train.readout": "signed",
    "train.noise_scale": 0.0,
    "transpile.synthesis": "exact",
    "evaluate.readout": "sign_constrained",
    "evaluate.mitigation": "none",
    "evaluate.executor": "noisy",
}
"""Keys that levers change, or rely on, and what they have in the configuration itself."""


def wrong_levers(settings: Settings) -> Iterator[str]:
    """Say what keeps levers from being compared; nothing where none is asked for."""
    names, sweep = settings.levers.names, settings.sweep
    if not names:
        return
    for key, wanted in CHANGED.items():
        section, _, leaf = key.partition(".")
        if (given := getattr(getattr(settings, section), leaf)) != wanted:
            yield f"{key}={show(given)}: levers are changes of {key}={show(wanted)}; type that, or levers=none"
    if others := [d for d in sweep.block_dim if d not in LEVER_BLOCK_DIMS]:
        yield (
            f"sweep.block_dim={','.join(map(show, others))}: levers are measured for "
            f"{', '.join(map(str, LEVER_BLOCK_DIMS))}; leave it out, or type levers=none"
        )
    if len(sweep.compression_ratio) > 1:
        yield (
            f"sweep.compression_ratio={show(list(sweep.compression_ratio))}: levers are compared at one ratio; "
            "type one of them, or levers=none"
        )
    needed = sorted({1.0, *(scale for d, scale in GOALS.items() if d in sweep.block_dim)})
    if missing := [scale for scale in needed if scale not in sweep.noise_scale]:
        yield (
            f"sweep.noise_scale={show(list(sweep.noise_scale))}: levers are compared at noise scale "
            f"{' and '.join(f'{scale:g}' for scale in needed)}; add {','.join(f'{scale:g}' for scale in missing)}, or "
            "type levers=none"
        )
    if "qiskit_synthesis" in names and not settings.transpile.compared_blocks:
        yield "transpile.compared_blocks=0: the lever qiskit_synthesis counts the gates of such blocks; type 1 or more"
    for name in names:
        if not set(LEVERS[name].block_dims) & set(sweep.block_dim):
            yield (
                f"levers.names={name}: is measured for block dimension "
                f"{', '.join(map(str, LEVERS[name].block_dims))}; add one to sweep.block_dim, or leave it out"
            )
