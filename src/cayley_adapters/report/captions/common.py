"""What several captions say: the readout, the device, the shots, and where blocks are."""

from __future__ import annotations

from collections.abc import Iterator

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import listing
from cayley_adapters.settings import Noise

__all__ = ["device", "drifted", "where_adapted"]


def where_adapted(evidence: Evidence) -> str:
    """``v_proj and o_proj of all layers``."""
    train = evidence.settings.train
    layers = "all layers" if train.layers is None else f"layer{'s' * (len(train.layers) > 1)} {listing(train.layers)}"
    return f"{listing(train.targets)} of {layers}"


def device(evidence: Evidence) -> str:
    """``FakeFez (layout median, without idle noise)``."""
    noise = evidence.settings.noise
    layout = noise.layout if isinstance(noise.layout, str) else str(evidence.settings.leaf("noise.layout"))
    about = [f"layout {layout}", f"{'with' if noise.idle else 'without'} idle noise", *_hidden(evidence)]
    return f"{noise.backend} ({', '.join(about)})"


def drifted(noise: Noise) -> bool:
    """Whether the device is another than the calibration that is known of it."""
    return bool(noise.drift or noise.drift_shared or noise.coherent or noise.known_from)


def _hidden(evidence: Evidence) -> Iterator[str]:
    """What the device does that is not in its calibration, and from what it is known instead."""
    noise = evidence.settings.noise
    if noise.drift:
        yield f"figures drifted by factors of their own (σ = {noise.drift:g})"
    if noise.drift_shared:
        yield f"all moved by {100 * noise.drift_shared:+g} %"
    if noise.coherent:
        yield f"{100 * noise.coherent:g} % of gate errors coherent{', gates twirled' if noise.twirled else ''}"
    if noise.known_from:
        yield f"known from {noise.known_from}"
