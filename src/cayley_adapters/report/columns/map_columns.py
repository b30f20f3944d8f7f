"""Columns of the map and of what leads to it: models, cells, losses, training and step sizes."""

from __future__ import annotations

from cayley_adapters.report.columns.column import NATS, Column

__all__ = ["COLUMNS"]

COLUMNS = [
    Column("model", "model", "text", "Name of the language model."),
    Column("compression", "compression", "text", "Method by which the model was compressed."),
    Column(
        "compression_ratio", "compression ratio", "scale", "Share of the compressed projections' parameters removed."
    ),
    Column(
        "method",
        "method",
        "text",
        "What was adapted: cayley (blocks), a classical control, or none (uncompressed, compressed).",
    ),
    Column("other_method", "other method", "text", "The method that it is compared with."),
    Column("ansatz", "ansatz", "text", "Family of circuits that blocks are taken from."),
    Column("brickwork_depth", "brickwork layers", "whole", "Layers of a brickwork; empty for other ansätze."),
    Column(
        "block_dim",
        "block dimension d",
        "whole",
        "Dimension d of a block, 2ⁿ for n qubits; of whole inputs the largest.",
    ),
    Column("other_block_dim", "other d", "whole", "Block dimension of what it is compared with."),
    Column(
        "matched_block_dim", "matched d", "whole", "Block dimension whose number of parameters the control comes near."
    ),
    Column("qubits", "qubits n", "whole", "Qubits that a block runs on, or the fewest that hold its slice."),
    Column("noise_scale", "noise scale λ", "scale", "0 is ideal, 1 the device as calibrated."),
    Column("trained_noise_scale", "λ in training", "scale", "Noise scale at which blocks were trained."),
    Column("shots", "shots a circuit", "shots", "Repetitions of a circuit; inf is an unlimited number."),
    Column("readout", "readout", "text", "How signs and magnitudes are taken from what is measured."),
    Column("executor", "executor", "text", "What ran the blocks: exact, noisy, aer or qpu."),
    Column("backend", "device", "text", "Device whose calibration the noise is made from."),
    Column("layout", "layout", "text", "Which qubits of the device blocks run on."),
    Column("mitigation", "mitigation", "text", "Which errors are undone after measuring."),
    Column("synthesis", "synthesis", "text", "How circuits are made from trained blocks."),
    Column("idle", "idle noise", "flag", "Whether qubits that wait relax."),
    Column("targets", "adapted projections", "text", "Projections of the model that bear blocks."),
    Column("layers", "adapted layers", "text", "Layers that bear blocks; empty where all do."),
    Column("seed", "seed", "index", "Seed of training."),
    Column("seeds", "seeds", "whole", "Training seeds that a value is the mean of."),
    Column("tokens", "test tokens", "whole", "Scored tokens of the test text."),
    Column("nll", "nll", "fixed", "Mean negative log-likelihood of the scored tokens.", NATS),
    Column("nll_se", "standard error", "fixed", "Standard error of nll, clustered by document.", "nats"),
    Column(
        "nll_se_shots",
        "standard error of shots",
        "fixed",
        "What a finite number of shots adds to it; empty with unlimited ones.",
        "nats",
    ),
    Column("nll_difference", "difference of nll", "fixed", "nll minus that of what it is compared with.", NATS),
    Column(
        "nll_compressed",
        "nll without blocks",
        "fixed",
        "nll of the compressed model without blocks on the same tokens.",
        NATS,
    ),
    Column(
        "nll_identity",
        "nll of identity blocks",
        "fixed",
        "nll in the same circuits with blocks that learnt nothing.",
        NATS,
    ),
    Column("perplexity", "perplexity", "significant", "Exponential of nll."),
    Column(
        "perplexity_identity",
        "perplexity of identity blocks",
        "significant",
        "Perplexity in the same circuits with blocks that learnt nothing.",
    ),
    Column(
        "word_perplexity", "perplexity a word", "significant", "Exponential of the loss of a word, as WikiText counts."
    ),
    Column("bits_per_byte", "bits a byte", "fixed", "Loss of a byte of the text, which no tokenizer changes.", "bits"),
    Column("recovery", "recovery", "share", "(ppl compressed − ppl)/(ppl compressed − ppl uncompressed).", "share"),
    Column(
        "adaptation",
        "adaptation",
        "fixed",
        "Gain of the same adapter on the uncompressed model: what is learnt of the text.",
        NATS,
    ),
    Column(
        "repair", "repair", "share", "Share of the damage by compression that is undone beyond adaptation.", "share"
    ),
    Column("adapter_parameters", "parameters", "whole", "Trained parameters of the adapter."),
    Column(
        "mitigation_shots",
        "shots of mitigation",
        "whole",
        "Shots of a measured mitigation, beside those of blocks; a column where there are any.",
    ),
    Column("refined", "refined", "flag", "Whether the noise scale was added to find λ_c more closely."),
    Column("learning_rate", "step size", "significant", "Learning rate of training."),
    Column("trials", "trials", "whole", "Step sizes that were tried for the adapter."),
    Column(
        "validation",
        "validation loss",
        "fixed",
        "Loss on validation text, which is neither trained nor tested on.",
        NATS,
    ),
    Column(
        "validation_cross_entropy", "validation cross-entropy", "fixed", "Cross-entropy alone on validation text.", NATS
    ),
    Column("steps", "training steps", "whole", "Steps of training."),
    Column("chosen", "chosen", "flag", "Whether this step size has the least validation loss."),
    Column("at_end", "at the end", "flag", "Whether it is the least or largest of those tried."),
    Column("step", "step", "index", "Step of training; 0 is the start."),
    Column(
        "loss", "training loss", "fixed", "Loss that is minimised: cross-entropy and distillation as weighted.", NATS
    ),
    Column("cross_entropy", "cross-entropy", "fixed", "Next-token cross-entropy on the training windows.", NATS),
    Column("distillation", "distillation", "fixed", "Divergence from the uncompressed model's distribution.", NATS),
    Column("gradient_norm", "gradient norm", "significant", "Norm of the gradient before it is clipped."),
    Column("folder", "folder", "text", "Folder of the adapter, below that of the table.", table="manifest"),
    Column("reversal", "reversal", "flag", "Whether the larger block is worse than the next smaller one."),
    Column("p", "p", "significant", "Two-sided p-value of the difference."),
    Column("p_holm", "p (Holm)", "significant", "The same, for all comparisons of the table at once."),
    Column("comparisons", "comparisons", "whole", "How many comparisons are corrected for."),
    Column("ci95_low", "95 %, low", "significant", "Lower end of the 95 % interval of the difference."),
    Column("ci95_high", "95 %, high", "significant", "Upper end of it; empty where it is open."),
    # Of the report's own table of verdicts, which is no file.
    Column(
        "perplexity_compressed",
        "perplexity without blocks",
        "significant",
        "Of the compressed model.",
        table="verdicts",
    ),
    Column("perplexity_ideal", "perplexity, λ\u00a0=\u00a00", "significant", "With ideal circuits.", table="verdicts"),
    Column("perplexity_device", "perplexity, λ\u00a0=\u00a01", "significant", "On the device.", table="verdicts"),
    Column("at_device", "at λ\u00a0=\u00a01 a block", "text", "Whether blocks help there.", table="verdicts"),
]
