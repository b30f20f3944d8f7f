"""What several captions say: the readout, the device, the shots, and where blocks are."""

from __future__ import annotations

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, listing

__all__ = ["device", "shots_text", "where_adapted"]


def where_adapted(evidence: Evidence) -> str:
    """``v_proj and o_proj of all layers``."""
    train = evidence.settings.train
    layers = "all layers" if train.layers is None else f"layer{'s' * (len(train.layers) > 1)} {listing(train.layers)}"
    return f"{listing(train.targets)} of {layers}"


def device(evidence: Evidence) -> str:
    """``FakeFez (layout median, without idle noise)``."""
    noise = evidence.settings.noise
    layout = noise.layout if isinstance(noise.layout, str) else str(evidence.settings.leaf("noise.layout"))
    return f"{noise.backend} (layout {layout}, {'with' if noise.idle else 'without'} idle noise)"


def shots_text(shots: int | float | str) -> str:
    """``8,192 shots`` or ``unlimited shots``."""
    return "unlimited shots" if str(shots) == "inf" else count(int(shots), "shot")
