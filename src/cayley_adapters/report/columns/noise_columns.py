"""Columns of what noise does: transition, budget, circuits, entanglement, levers, and maps compared."""

from __future__ import annotations

from cayley_adapters.report.columns.column import NATS, Column

__all__ = ["COLUMNS"]

COLUMNS = [
    Column("gain", "gain G", "fixed", "nll of the compressed model minus that with blocks at λ = 0.", NATS),
    Column("cost", "cost C", "fixed", "nll with this noise minus that without any.", NATS),
    Column("cost_se", "standard error of C", "fixed", "Standard error of the cost, clustered by document.", NATS),
    Column("lambda_c", "λ_c", "significant", "Critical noise: first λ at which the gain is used up.", "noise scale"),
    Column(
        "censored",
        "beyond the axis",
        "text",
        "Whether λ_c lies above or below the noise scales measured, which then bound it.",
    ),
    Column("bracket_low", "measured below λ_c", "scale", "Noise scale evaluated next below λ_c.", "noise scale"),
    Column("bracket_high", "measured above λ_c", "scale", "Noise scale evaluated next above λ_c.", "noise scale"),
    Column("crossover_decades", "width of the crossover", "significant", "From C = G/2 to C = 2G.", "decades of λ"),
    Column("crossover", "width of the crossover", "significant", "From C = G/2 to C = 2G.", "decades of λ"),
    Column(
        "lambda_c_predicted",
        "λ_c predicted",
        "significant",
        "λ_c that follows from the costs of the other blocks alone.",
        "noise scale",
    ),
    Column("gain_of_block_dim", "gain of d", "whole", "Block dimension whose gain is used for a prediction."),
    Column(
        "error_budget",
        "error budget",
        "significant",
        "Sum of −ln(1 − error) over a circuit's gates and readouts at λ = 1.",
    ),
    Column(
        "affordable_budget", "affordable error budget", "significant", "Error budget at which the cost is the gain."
    ),
    Column("two_qubit_error", "two-qubit error", "significant", "Mean error of a two-qubit gate at λ = 1."),
    Column(
        "two_qubit_error_needed",
        "two-qubit error needed",
        "significant",
        "The same where λ_c would be 1, all errors shrinking alike.",
    ),
    Column(
        "two_qubit_error_needed_readout_as_is",
        "two-qubit error needed, readout as it is",
        "significant",
        "The same with gates alone improving; 0 where readout by itself costs more than the gain.",
    ),
    Column(
        "counted",
        "gates counted from",
        "text",
        "Whether gates are those of a circuit or follow from the number of parameters.",
    ),
    Column(
        "lambda_repair",
        "λ of no repair",
        "significant",
        "Noise scale at which nothing of the repair is left.",
        "noise scale",
    ),
    Column("lambda_repair_censored", "that beyond the axis", "text", "As censored, of lambda_repair."),
    Column(
        "lambda_identity",
        "λ of the circuit alone",
        "significant",
        "Noise scale at which circuits that learnt nothing cost the gain.",
        "noise scale",
    ),
    Column("source", "source of errors", "text", "Errors that are left on alone: cz, sx, readout, idle, or all."),
    Column("gates", "gates", "count", "Gates of the source in a circuit, for readout its qubits; mean over blocks."),
    Column("infidelity", "errors", "significant", "Sum of −ln(1 − error) over them at λ = 1."),
    Column("depth", "depth", "count", "Depth of a block's circuit, preparation included; mean over blocks."),
    Column(
        "two_qubit_gates",
        "two-qubit gates a block",
        "count",
        "Of the circuit as executed, preparation included; mean over blocks.",
    ),
    Column("cz", "CZ a block", "count", "Two-qubit gates CZ of a circuit, preparation included."),
    Column("sx", "SX a block", "count", "One-qubit gates SX of a circuit."),
    Column("rz", "RZ a block", "count", "Virtual rotations RZ of a circuit, which have no error."),
    Column("blocks", "blocks", "whole", "How many blocks a row is about."),
    Column("gate_fidelity", "gate fidelity", "fixed", "Product of 1 − error over a circuit's gates at λ = 1.", "share"),
    Column("projection", "projection", "text", "Linear map of the model whose input blocks act on."),
    Column("block", "block", "index", "Number of the block within its projection, from 0.", table="blocks"),
    Column("deviation", "deviation", "significant", "Largest difference between the circuit's matrix and the block's."),
    # Operator entanglement.
    Column("layer", "layer", "index", "Layer of the model, from 0."),
    Column("layers", "layers", "whole", "Layers that a row is about.", table="entanglement_differences"),
    Column(
        "bipartition",
        "qubits of one side",
        "text",
        "How the qubits of a block are cut in two; all is the mean over cuts.",
    ),
    Column(
        "kind",
        "blocks are",
        "text",
        "Trained ones, or ones of as large parameters in a random direction.",
        table="entanglement",
    ),
    Column("max_entropy", "largest entropy", "significant", "Largest operator entropy that the cut allows.", "bits"),
    Column("measure", "measure", "text", "Which property of the blocks is compared."),
    Column("entropy", "operator entropy", "fixed", "Entropy of the operator Schmidt coefficients.", "bits"),
    Column(
        "effective_bond_dimension", "effective bond dimension", "significant", "2 to the power of the operator entropy."
    ),
    Column("linear_entropy", "linear entropy", "fixed", "1 minus the sum of the squared Schmidt weights."),
    Column("entangling_power", "entangling power", "fixed", "Mean linear entropy of product states after the block."),
    Column(
        "distance", "distance from the identity", "fixed", "Root mean square of ‖Qx − x‖ over slices x of length 1."
    ),
    Column("trained", "trained", "significant", "Mean over trained blocks."),
    Column("random", "random", "significant", "Mean over random blocks."),
    Column("difference", "difference", "significant", "Trained minus random."),
    Column("ratio", "ratio", "significant", "Trained over random."),
    # Levers.
    Column("lever", "lever", "text", "Name of what is changed in the configuration, or of a model without circuits."),
    Column("title", "lever in words", "text", "What is changed, in words.", table="levers"),
    Column(
        "kind",
        "kind",
        "text",
        "What part of the way from training to readout is changed; control has no circuit.",
        table="levers",
    ),
    Column("perplexity_exact", "perplexity without circuits", "significant", "Of the same blocks in exact arithmetic."),
    Column("perplexity_at_…", "perplexity at λ = …", "significant", "With trained blocks at this noise scale."),
    Column(
        "identity_at_…",
        "perplexity of identity blocks at λ = …",
        "significant",
        "The same with blocks that learnt nothing.",
    ),
    Column(
        "identity_difference",
        "nll beyond identity blocks",
        "fixed",
        "nll minus that of identity blocks at λ = 1; below 0 where what was learnt helps.",
        NATS,
    ),
    Column(
        "infidelity_…", "errors of …", "significant", "Sum of −ln(1 − error) of this source over a circuit at λ = 1."
    ),
    Column("circuits_per_token", "circuits a token", "whole", "Circuits that each token of a text needs."),
    Column("circuits_once", "circuits once", "whole", "Circuits that measure the blocks once for all."),
    Column("training_steps", "training steps", "whole", "Steps that the blocks were trained for."),
    Column("training_cpu_seconds", "training", "significant", "CPU time of training, mean over seeds.", "CPU seconds"),
    Column(
        "ranking_cpu_seconds",
        "ranking",
        "significant",
        "CPU time of ranking projections, shared by all ranked levers.",
        "CPU seconds",
    ),
    Column(
        "synthesis_cpu_seconds",
        "synthesis",
        "significant",
        "CPU time of making circuits, mean over seeds.",
        "CPU seconds",
    ),
    Column(
        "evaluation_cpu_seconds", "evaluation", "significant", "CPU time of evaluating, mean over seeds.", "CPU seconds"
    ),
    Column("rank", "rank", "index", "Place of a projection by gain for each unit of cost, from 1."),
    Column("inputs", "inputs", "whole", "Input features of the projection."),
    Column("gain", "gain", "fixed", "What the loss rises by without the projection's blocks.", NATS, table="ranking"),
    Column("gain_se", "standard error of the gain", "fixed", "Of the mean over windows.", NATS),
    Column(
        "cost", "cost", "fixed", "What the loss rises by where these blocks alone run at λ = 10.", NATS, table="ranking"
    ),
    # Maps compared.
    Column("map", "map", "text", "Name of the map."),
    Column("title", "map in words", "text", "Label of the map in pictures.", table="comparison"),
    Column("reference", "compared with", "text", "Name of the map that it is compared with."),
    Column("quantity", "quantity", "text", "What is compared: nll_difference, gain_difference or lambda_c_ratio."),
    Column("estimate", "estimate", "significant", "The map's minus the reference's; of λ_c the ratio."),
]
