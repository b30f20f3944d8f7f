"""The methods paragraph: what the configuration made the stages do, with the literature that each step comes from."""

from __future__ import annotations

import numpy as np

from cayley_adapters.report.captions.common import CONTROL_NAMES, READOUTS, device, shots_text, where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, listing, whole

__all__ = ["REFERENCES", "methods"]

REFERENCES = {
    "paper": (
        "Aizpurua, Singh, Kshetrimayum, Jahromi, Orús: Quantum-enhanced Large Language Models on Quantum Hardware via "
        "Cayley Unitary Adapters (2026)",
        "https://arxiv.org/abs/2605.05914",
    ),
    "smollm2": ("Allal et al.: SmolLM2 (2025)", "https://arxiv.org/abs/2502.02737"),
    "wikitext": ("Merity et al.: Pointer Sentinel Mixture Models (2016)", "https://arxiv.org/abs/1609.07843"),
    "svd_llm": (
        "Wang et al.: SVD-LLM: Truncation-aware Singular Value Decomposition for Large Language Model "
        "Compression (2024)",
        "https://arxiv.org/abs/2403.07378",
    ),
    "compactifai": (
        "Tomut et al.: CompactifAI: Extreme Compression of Large Language Models using Quantum-Inspired Tensor "
        "Networks "
        "(2024)",
        "https://arxiv.org/abs/2401.14109",
    ),
    "tensorly": ("Kossaifi et al.: TensorLy: Tensor Learning in Python (2016)", "https://arxiv.org/abs/1610.09555"),
    "adam": ("Kingma, Ba: Adam: A Method for Stochastic Optimization (2014)", "https://arxiv.org/abs/1412.6980"),
    "distillation": (
        "Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (2015)",
        "https://arxiv.org/abs/1503.02531",
    ),
    "peft": (
        "Hugging Face: PEFT: State-of-the-art Parameter-Efficient Fine-Tuning methods",
        "https://github.com/huggingface/peft",
    ),
    "lora": (
        "Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models (2021)",
        "https://arxiv.org/abs/2106.09685",
    ),
    "oft": (
        "Qiu et al.: Controlling Text-to-Image Diffusion by Orthogonal Finetuning (2023)",
        "https://arxiv.org/abs/2306.07280",
    ),
    "boft": (
        "Liu et al.: Parameter-Efficient Orthogonal Finetuning via Butterfly Factorization (2023)",
        "https://arxiv.org/abs/2311.06243",
    ),
    "ia3": (
        "Liu et al.: Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning (2022)",
        "https://arxiv.org/abs/2205.05638",
    ),
    "qiskit": (
        "Javadi-Abhari et al.: Quantum computing with Qiskit (2024)",
        "https://arxiv.org/abs/2405.08810",
    ),
    "aer": ("Qiskit Aer: simulators with noise models", "https://github.com/Qiskit/qiskit-aer"),
    "percentiles": (
        "Hesterberg: What Teachers Should Know About the Bootstrap, The American Statistician 69, 371 (2015)",
        "https://doi.org/10.1080/00031305.2015.1089789",
    ),
    "runtime": (
        "Qiskit IBM Runtime: backends and their calibrations",
        "https://github.com/Qiskit/qiskit-ibm-runtime",
    ),
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
        "embedded": "the embedded copy, dequantised",
        "hub": f"{model.id} at revision {model.revision}",
        "local": "a local folder",
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
    how = {
        "whitened_svd": "singular value decomposition, truncated after whitening by calibration activations{svd_llm}",
        "svd": "plain truncated singular value decomposition",
        "mpo": "matrix product operators of two sites{compactifai}, by TensorLy{tensorly}, without retraining",
    }.get(compress.method, compress.method)
    calibrated = (
        f", calibrated on {count(settings.data.calibration_windows, 'window')}, ridge {compress.ridge:g}"
        if compress.method == "whitened_svd"
        else ""
    )
    return (
        f"The model's projections {listing(compress.targets)} were compressed by {how}{calibrated}; a share of "
        f"{listing(settings.sweep.compression_ratio)} of their parameters was removed, allocation "
        f"{compress.allocation}."
    )


def _blocks(evidence: Evidence) -> str:
    settings = evidence.settings
    sizes = evidence.cells.groupby("block_dim")["adapter_parameters"].first()
    sized = listing(f"{whole(number)} (d = {dim})" for dim, number in sizes.items())
    ansatz = (
        "each rotated by a block Q = (I − K/2)(I + K/2)⁻¹ of its own with K skew-symmetric"
        if settings.train.ansatz == "full"
        else "each rotated by a product of such transforms, 4 × 4 on neighbouring qubits, "
        f"{count(settings.train.brickwork_depth, 'layer')}"
    )
    return (
        f"The inputs of {where_adapted(evidence)} are cut into slices of d = "
        f"{listing(settings.sweep.block_dim)}, {ansatz}; "
        f"trained parameters: {sized}."
    )


def _training(evidence: Evidence) -> str:
    settings = evidence.settings
    train = settings.train
    loss = (
        "next-token cross-entropy"
        if train.distillation == 0
        else f"{1 - train.distillation:g} next-token cross-entropy and {train.distillation:g} "
        f"distillation{{distillation}} "
        f"from the uncompressed model's {train.distillation_top_k} most likely tokens"
    )
    schedule = {
        "linear": "falling linearly to zero",
        "cosine": "falling to zero as a cosine",
        "constant_with_warmup": "constant",
    }[train.schedule]
    warm = f" after a warm-up over {train.warmup:g} of the steps" if train.warmup else ""
    kept = (
        f"of the checkpoints every {count(train.validate_every, 'step')} the best on "
        f"{count(train.validation_windows, 'window')} kept for it was taken"
        if train.validation_windows
        else "the last state was taken"
    )
    noise = f", under noise of scale {train.noise_scale:g} by a smooth surrogate" if train.noise_scale else ""
    return (
        f"Blocks start at the identity and were trained for {count(train.steps, 'step')} of "
        f"{count(train.batch_windows, 'window')} with Adam{{adam}}, step size {train.learning_rate:g}/d "
        f"{schedule}{warm}, "
        f"gradients clipped to norm {train.max_grad_norm:g}, on {loss}, readout "
        f"{READOUTS[train.readout]}{noise}; {kept}; "
        f"seed{'s' * (len(settings.sweep.seed) > 1)} {listing(settings.sweep.seed)}."
    )


def _controls(evidence: Evidence) -> str:
    control = evidence.settings.control
    if not control.methods:
        return ""
    rates = {"lora": control.lora_learning_rate, "ia3": control.ia3_learning_rate}
    named = listing(
        f"{CONTROL_NAMES[name]}{{{name}}}" + (f" with step size {rates[name]:g}" if name in rates else "")
        for name in control.methods
    )
    sizes = f", as many parameters as d = {listing(control.block_dims)}" if set(control.methods) - {"ia3"} else ""
    return f"Classical controls are PEFT's{{peft}} {named}{sizes}, on the same projections, text and steps."


def _circuits(evidence: Evidence) -> str:
    settings = evidence.settings
    if settings.transpile.synthesis == "none":
        return "No circuits were made: blocks ran in exact arithmetic."
    cells = evidence.cells[evidence.cells["executor"] != "exact"]
    gates = cells.groupby("block_dim")["two_qubit_gates"].mean().dropna()
    counted = listing(f"{number:.3g} (d = {dim})" for dim, number in gates.items())
    how = {"exact": "exactly", "qiskit": "exactly, with as many CZ gates as Qiskit's synthesis"}.get(
        settings.transpile.synthesis
    ) or f"up to where a further two-qubit gate costs more than it gains at λ = {settings.transpile.noise_scale:g}"
    return (
        "On n = log₂ d qubits a slice is amplitude-encoded, its block applied and all qubits measured, in RZ, "
        "SX and CZ "
        f"gates on a line of qubits, synthesised {how}; two-qubit gates a block, preparation included: {counted}."
    )


def _noise(evidence: Evidence, calibrated: str | None) -> str:
    settings = evidence.settings
    if calibrated is None:
        return ""
    run = (
        "Qiskit Aer{aer}"
        if settings.evaluate.executor == "aer"
        else "a batched simulator of density matrices that is tested to equal Qiskit Aer{aer}"
    )
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
    if settings.transpile.synthesis == "none":
        return ""
    how = {
        "sign_constrained": "y_k = sign(x_k) ‖x‖ √p_k of measured frequencies p, the paper's",
        "characterised": "the map Q̂ that the device's frequencies were found to follow, once a block",
        "ideal_sign": "y_k = sign((Qx)_k) ‖x‖ √p_k of measured frequencies p, an upper bound",
    }[evaluate.readout]
    beside = [d for d in evaluate.unlimited_shots_block_dims if d in settings.sweep.block_dim]
    unlimited = f", for d = {listing(beside)} unlimited shots as well" if beside else ""
    undone = (
        "nothing is mitigated"
        if evaluate.mitigation == "none"
        else f"mitigation {evaluate.mitigation}, from the calibration that the noise is made of"
    )
    return (
        f"The readout is {READOUTS[evaluate.readout]}, {how}, from {listing(map(shots_text, evaluate.shots))} a "
        f"circuit{unlimited}; {undone}."
    )


def _statistics(evidence: Evidence) -> str:
    bootstrap = evidence.transition["bootstrap"]
    windows = evidence.settings.evaluate.windows
    intervals = (
        f"intervals (95 %) are expanded percentiles {{percentiles}} of {bootstrap['replicates']:,} paired bootstrap "
        f"replicates over documents and with them shots (seed {bootstrap['seed']}), "
        + (
            f"and over {seeds} training seeds with Student's t"
            if (seeds := len(evidence.settings.sweep.seed)) > 1
            else "and do not cover training seeds"
        )
        if bootstrap["documents"] > 1
        else "there are no intervals, since one document cannot be resampled"
    )
    crossing = (
        "λ_c is the first λ at which the nll is that of the compressed model without blocks, with the cost between "
        "grid points taken as a power of λ, whose exponent may change within its interval; "
        if np.any(np.asarray(evidence.settings.sweep.noise_scale) > 0)
        else ""
    )
    return (
        f"Perplexity is the exponential of the mean nll of {evidence.tokens:,} tokens of "
        f"{count(bootstrap['documents'], 'document')} "
        f"in {count(windows, 'test window')}; {crossing}{intervals}."
    )
