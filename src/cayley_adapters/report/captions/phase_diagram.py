"""Of the map: the interactive chart and its printed form."""

from __future__ import annotations

from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.report.captions.common import device, where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import listing, shots_text

__all__ = ["phase_diagram_caption"]


def phase_diagram_caption(evidence: Evidence) -> list[str]:
    """Of the interactive chart and its printed form."""
    settings, transition = evidence.settings, evidence.transition
    sweep, evaluate = settings.sweep, settings.evaluate
    noise = (
        f"; λ = 0 is ideal, λ = 1 {device(evidence)} as calibrated" if evidence.noisy else "; no noise was evaluated"
    )
    context = f", each after at least {evaluate.context:,} others" if evaluate.context else ""
    text = (
        f"Perplexity with blocks of d = {listing(sweep.block_dim)} on {where_adapted(evidence)}, at noise scale λ = "
        f"{listing(sweep.noise_scale)}{noise}. {model_title(settings.model.name)}, compression "
        f"{settings.compress.method} at ratio {listing(sweep.compression_ratio)} on "
        f"{listing(settings.compress.targets)}; ansatz {settings.train.ansatz}; "
        f"readout {READOUTS[transition['readout']].title}, {shots_text(transition['shots'])}, mitigation "
        f"{evaluate.mitigation}, executor {transition['executor']}; "
        f"{'seed' if len(sweep.seed) == 1 else 'mean of seeds'} {listing(sweep.seed)}; {evidence.tokens:,} test tokens "
        f"of {evidence.resampled}, in windows of {settings.data.window:,} tokens{context}."
    )
    marks = (
        "Numbers are perplexities, bold for the best block at a noise scale; colours are nll minus that of the same "
        "compressed model without blocks: blue where they help, red where they harm. Left of the black line (λ_c; the "
        "bar is its 95 % interval) blocks help: expressive, gain G above cost C. Right of it the compressed model is "
        "better without them: noise-dominated, C above G, hatched. At R nothing is left of the repair: what the same "
        "blocks gain on the uncompressed model is adaptation to the text. At I the same circuits cost the gain with "
        "blocks in them that have learnt nothing."
    )
    if (evidence.cells["executor"] == "qpu").any():
        marks += " A star is what a processor measured, on blocks and a text of its own: white where they helped there."
    use = (
        "On the screen, point at a cell or a mark to see its numbers; a click on a block in the legend picks out its "
        "lines."
    )
    return [text, marks, use]
