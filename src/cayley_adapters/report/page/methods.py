"""The methods paragraph: what the configuration made the stages do, with the literature that each step comes from."""

from __future__ import annotations

import numpy as np

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.models.compression.methods import METHODS
from cayley_adapters.report.captions.common import device, drifted, where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, listing, shots_text, whole
from cayley_adapters.simulation.mitigations import MITIGATIONS
from cayley_adapters.simulation.simulators import SIMULATORS

__all__ = ["REFERENCES", "methods"]

REFERENCES = {
    "paper": (
        "Aizpurua, Singh, Kshetrimayum, Jahromi, Orús: Quantum-enhanced Large Language Models on Quantum Hardware via "
        "Cayley Unitary Adapters (2026)",
        "https://arxiv.org/abs/2605.05914",
    ),
    "smollm2": ("Allal et al.: SmolLM2 (2025)", "https://arxiv.org/abs/2502.02737"),
    "wikitext": ("Merity et al.: Pointer Sentinel Mixture Models (2016)", "https://arxiv.org/abs/1609.07843"),
    "adam": ("Kingma, Ba: Adam: A Method for Stochastic Optimization (2014)", "https://arxiv.org/abs/1412.6980"),
    "distillation": (
        "Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (2015)",
        "https://arxiv.org/abs/1503.02531",
    ),
    "peft": (
        "Hugging Face: PEFT: State-of-the-art Parameter-Efficient Fine-Tuning methods",
        "https://github.com/huggingface/peft",
    ),
    "qiskit": ("Javadi-Abhari et al.: Quantum computing with Qiskit (2024)", "https://arxiv.org/abs/2405.08810"),
    "aer": ("Qiskit Aer: simulators with noise models", "https://github.com/Qiskit/qiskit-aer"),
    "percentiles": (
        "Hesterberg: What Teachers Should Know About the Bootstrap, The American Statistician 69, 371 (2015)",
        "https://doi.org/10.1080/00031305.2015.1089789",
    ),
    "runtime": ("Qiskit IBM Runtime: backends and their calibrations", "https://github.com/Qiskit/qiskit-ibm-runtime"),
    **{
        key: cited
        for registry in (METHODS, CONTROLS, ANSATZES, SYNTHESES, READOUTS, MITIGATIONS, SIMULATORS)
        for entry in registry.values()
        for key, cited in entry.literature.items()
    },
}
"""Key → (what is cited, where it is); cited as ``{key}`` in the texts below."""


def methods(evidence: Evidence, calibrated: str | None) -> str:
    """The paragraph, in which ``{key}`` stands for a citation of :data:`REFERENCES`.

    Args:
        evidence: the run.
        calibrated: date of the device's calibration; None where no device was used.
    """
    steps = (_model, _compression, _blocks, _training, _controls, _circuits)
    text = [step(evidence) for step in steps] + [
        _noise(evidence, calibrated),
        _readout(evidence),
        _statistics(evidence),
    ]
    return " ".join(part for part in text if part)


def _model(evidence: Evidence) -> str:
    settings = evidence.settings
    model, data = settings.model, settings.data
    source = {
        "embedded": "the copy in a package, dequantised",
        "hub": f"{model.id} at revision {model.revision}",
        "local": "a local folder",
        "gguf": "a GGUF file, dequantised",
        "random": f"random weights of seed {model.seed}",
    }[model.source]
    cited = "{smollm2}" if model.name.lower().startswith("smollm2") else ""
    text = {
        "encyclopedia": "the embedded encyclopedia",
        "text": "the given text files",
        "wikitext2": f"{data.id} ({data.config}) at revision {data.revision}{{wikitext}}",
    }[data.source]
    return (
        f"Cayley unitary adapters{{paper}} rotate the inputs of a frozen model's projections. The model is "
        f"{model.name}{cited} ({source}), in float32. The text is {text}, cut into windows of "
        f"{count(data.window, 'token')}; calibration, training and test share no text."
    )


def _compression(evidence: Evidence) -> str:
    settings = evidence.settings
    compress = settings.compress
    if compress.method == "none":
        return "Nothing was compressed."
    method = METHODS[compress.method]
    calibrated = (
        f", calibrated on {count(settings.data.calibration_windows, 'window')}, ridge {compress.ridge:g}"
        if method.calibrated
        else ""
    )
    return (
        f"The model's projections {listing(compress.targets)} were compressed by "
        f"{method.sentence}{calibrated}; a share of {listing(settings.sweep.compression_ratio)} of their "
        f"parameters was removed, allocation {compress.allocation}." + _healing(evidence)
    )


def _healing(evidence: Evidence) -> str:
    """What was done to the compressed model before blocks were put into it; nothing by default."""
    heal, window = evidence.settings.heal, evidence.settings.data.window
    if heal.steps == 0:
        return ""
    trained = "All its weights" if heal.weights == "all" else f"Adapters of rank {heal.rank} of its projections, merged"
    loss = f"{heal.distillation:g} divergence{{distillation}} from the uncompressed model at temperature "
    loss += f"{heal.temperature:g} and {heal.cross_entropy:g} next-token cross-entropy"
    return (
        f" The compressed model was then healed: {trained[0].lower()}{trained[1:]}, were trained for "
        f"{count(heal.steps, 'step')} of {count(heal.batch_windows * window, 'token')} with Adam{{adam}}, step size "
        f"{heal.learning_rate:g} ({heal.schedule}), on {loss}, on text of its own."
    )


def _blocks(evidence: Evidence) -> str:
    settings = evidence.settings
    sizes = evidence.cells.groupby("block_dim")["adapter_parameters"].first()
    sized = listing(f"{whole(number)} (d = {dim})" for dim, number in sizes.items())
    ansatz = ANSATZES[settings.train.ansatz]
    turned = "multiplied" if ansatz.circuit_of is None else "rotated"
    layers = f", {count(settings.train.brickwork_depth, 'layer')}" if ansatz.layered else ""
    return (
        f"The inputs of {where_adapted(evidence)} are cut into slices of d = "
        f"{listing(settings.sweep.block_dim)}, each {turned} by {ansatz.sentence}{layers}; "
        f"trained parameters: {sized}."
    )


def _training(evidence: Evidence) -> str:
    settings = evidence.settings
    train = settings.train
    rest = 1 - train.distillation if train.cross_entropy is None else train.cross_entropy
    heated = "" if train.temperature == 1 else f" at temperature {train.temperature:g}"
    loss = (
        "next-token cross-entropy"
        if train.distillation == 0
        else f"{rest:g} next-token cross-entropy and {train.distillation:g} "
        f"distillation{{distillation}} "
        f"from the uncompressed model's {train.distillation_top_k} most likely tokens{heated}"
    )
    schedule = {
        "linear": "falling linearly to zero",
        "cosine": "falling to zero as a cosine",
        "constant_with_warmup": "constant",
    }[train.schedule]
    warm = f" after a warm-up over {train.warmup:g} of the steps" if train.warmup else ""
    if train.warmup_steps is not None:
        warm = f" after a warm-up over {count(train.warmup_steps, 'step')}"
    kept = (
        f"of the checkpoints every {count(train.validate_every, 'step')} the best on "
        f"{count(train.validation_windows, 'window')} kept for it was taken"
        if train.validation_windows
        else "the last state was taken"
    )
    search = settings.search
    tried = (
        f"the best of {listing(search.learning_rate)} after {count(min(search.steps, train.steps), 'step')} on the "
        "validation windows"
    )
    rate = f"{train.learning_rate:g}" if train.learning_rate else f"({tried})"
    noise = f", under noise of scale {train.noise_scale:g} by a smooth surrogate" if train.noise_scale else ""
    return (
        f"Blocks start at the identity and were trained for {count(train.steps, 'step')} of "
        f"{count(train.batch_windows, 'window')} with Adam{{adam}}, step size {rate}/d "
        f"{schedule}{warm}, "
        f"gradients clipped to norm {train.max_grad_norm:g}, on {loss}, readout "
        f"{READOUTS[train.readout].title}{noise}; {kept}; "
        f"seed{'s' * (len(settings.sweep.seed) > 1)} {listing(settings.sweep.seed)}."
    )


def _rate(evidence: Evidence, key: str) -> str:
    """A control's step size as the configuration gives it, or those that it was chosen of."""
    given = getattr(evidence.settings.control, key)
    return f"{given:g}" if given else f"chosen alike of {listing(getattr(evidence.settings.search, key))}"


def _controls(evidence: Evidence) -> str:
    control = evidence.settings.control
    if not control.methods:
        return ""
    chosen = [CONTROLS[name] for name in control.methods]
    named = listing(
        item.sentence + (f" with step size {_rate(evidence, item.rate)}" if item.rate else "") for item in chosen
    )
    sized = any(item.sized for item in chosen)
    sizes = f", as many parameters as d = {listing(control.block_dims)}" if sized else ""
    return f"Classical controls are PEFT's{{peft}} {named}{sizes}, on the same projections, text and steps."


def _circuits(evidence: Evidence) -> str:
    settings = evidence.settings
    synthesis = SYNTHESES[settings.transpile.synthesis]
    if not synthesis.circuits:
        return "No circuits were made: blocks ran in exact arithmetic."
    cells = evidence.cells[evidence.cells["executor"] != "exact"]
    gates = cells.groupby("block_dim")["two_qubit_gates"].mean().dropna()
    counted = listing(f"{number:.3g} (d = {dim})" for dim, number in gates.items())
    at = f" at λ = {settings.transpile.noise_scale:g}" if synthesis.directed else ""
    return (
        "On n = log₂ d qubits a slice is amplitude-encoded, its block applied and all qubits measured, in RZ, "
        "SX and CZ "
        f"gates on a line of qubits, synthesised {synthesis.sentence}{at}; "
        f"two-qubit gates a block, preparation included: {counted}."
    )


def _noise(evidence: Evidence, calibrated: str | None) -> str:
    settings = evidence.settings
    if calibrated is None:
        return ""
    run = SIMULATORS[settings.evaluate.executor].sentence
    return (
        f"Noise is that of {device(evidence)}, calibrated on {calibrated}, from Qiskit{{qiskit}} IBM "
        f"Runtime{{runtime}}: "
        "gate errors, relaxation rates and readout flips are multiplied by λ = "
        f"{listing(settings.sweep.noise_scale)} and "
        f"made into depolarising and relaxation channels as Aer makes them; circuits ran in {run}."
    )


def _readout(evidence: Evidence) -> str:
    settings = evidence.settings
    evaluate = settings.evaluate
    if not SYNTHESES[settings.transpile.synthesis].circuits:
        return ""
    readout = READOUTS[evaluate.readout]
    beside = [d for d in evaluate.unlimited_shots_block_dims if d in settings.sweep.block_dim]
    unlimited = f", for d = {listing(beside)} unlimited shots as well" if beside else ""
    mitigation = MITIGATIONS[evaluate.mitigation]
    by = "from the calibration that the noise is made of"
    if mitigation.measures:
        by = "from circuits with known answers"
    elif drifted(settings.noise):
        by = "from the calibration that is known"
    undone = f"mitigation {evaluate.mitigation}, {by}" if mitigation.undoes else "nothing is mitigated"
    return (
        f"The readout is {readout.title}, {readout.sentence}, from {listing(map(shots_text, evaluate.shots))} a "
        f"circuit{unlimited}; {undone}."
    )


def _statistics(evidence: Evidence) -> str:
    bootstrap = evidence.transition["bootstrap"]
    windows, before = evidence.settings.evaluate.windows, evidence.settings.evaluate.context
    context = f", each scored token after at least {before:,} others" if before else ""
    intervals = (
        f"intervals (95 %) are expanded percentiles {{percentiles}} of {bootstrap['replicates']:,} paired bootstrap "
        f"replicates over {bootstrap['resampled']} and with them shots (seed {bootstrap['seed']}), "
        + (
            f"and over {seeds} training seeds with Student's t"
            if (seeds := len(evidence.settings.sweep.seed)) > 1
            else "and do not cover training seeds"
        )
        if evidence.clusters > 1
        else "there are no intervals, since one window of one document cannot be resampled"
    )
    crossing = (
        "λ_c is the first λ at which the nll is that of the compressed model without blocks, with the cost between "
        "grid points taken as a power of λ, whose exponent may change within its interval; "
        if np.any(np.asarray(evidence.settings.sweep.noise_scale) > 0)
        else ""
    )
    return (
        f"Perplexity is the exponential of the mean nll of {evidence.tokens:,} tokens of "
        f"{evidence.resampled} in {count(windows, 'test window')} of {evidence.settings.data.window:,} tokens{context};"
        f" headings and what stands between documents are read and not scored; {crossing}{intervals}."
    )
