"""All tables of a run that people look at, in the order in which the report shows those of a section."""

from __future__ import annotations

from cayley_adapters.core.registry import Registry
from cayley_adapters.report.contents import Table

__all__ = ["TABLES"]

TABLES = Registry(
    "table",
    [
        Table(
            name="phase_diagram", title="All cells",
            sentence="one point of the map: a cell at a noise scale, readout and number of shots", stage="aggregate",
            section="phase-diagram", tracked="phase_table",
        ),
        Table(
            name="transition", title="Gain, cost and critical noise",
            sentence="a cell of the map, and what follows for its block", stage="scaling", section="transition",
        ),
        Table(
            name="recovery", title="What blocks and controls recover without noise",
            sentence="a method and block dimension at a compression ratio", stage="recovery", section="recovery",
            tracked="recovery_table",
        ),
        Table(
            name="recovery_differences",
            title="Differences of nll: larger blocks and smaller ones, blocks and controls",
            sentence="two adapters compared on the same documents", stage="recovery", section="recovery",
        ),
        Table(
            name="baselines", title="Models without blocks, and the controls",
            sentence="a model without blocks, or a control", stage="aggregate", section="recovery",
            tracked="baselines_table",
        ),
        Table(
            name="noise_budget", title="Cost by kind of error",
            sentence="a source of errors in the circuits of a cell", stage="scaling", section="noise-budget",
            tracked="noise_budget_table",
        ),
        Table(
            name="circuits", title="Gates, depth and fidelity of the circuits",
            sentence="the circuits of a cell, ours or Qiskit's", stage="compare_circuits", section="noise-budget",
            tracked="circuits_table",
        ),
        Table(
            name="questions", title="Questions answered correctly", sentence="a model and what it answers",
            stage="questions", section="questions",
        ),
        Table(
            name="question_comparisons", title="Models compared on the same questions",
            sentence="two models compared", stage="questions", section="questions",
        ),
        Table(
            name="question_flips", title="Questions that blocks answer differently",
            sentence="a question that one of two models has right", stage="questions", section="questions",
        ),
        Table(
            name="question_samples", title="Answers written out", sentence="an answer drawn at a temperature",
            stage="questions", section="questions",
        ),
        Table(
            name="benchmarks", title="Scores on benchmarks", sentence="a model and a metric of a task",
            stage="benchmarks", section="benchmarks",
        ),
        Table(
            name="benchmark_comparisons", title="Models compared on the same documents",
            sentence="two models on a metric of a task", stage="benchmarks", section="benchmarks",
        ),
        Table(
            name="benchmark_flips", title="Documents that one of two models gets right",
            sentence="such a document", stage="benchmarks", section="benchmarks",
        ),
        Table(
            name="entanglement_differences", title="Trained blocks and random ones compared",
            sentence="a measure of trained blocks beside random ones", stage="entanglement", section="entanglement",
        ),
        Table(
            name="entanglement", title="Operator Schmidt decomposition",
            sentence="the blocks of a projection at a bipartition", stage="entanglement", section="entanglement",
            averaged=("compression_ratio", "block_dim", "kind"),
        ),
        Table(
            name="levers", title="Levers and controls",
            sentence="a lever at a block dimension, or a model without blocks", stage="levers", section="levers",
        ),
        Table(
            name="inference", title="Perplexity of one text: exact, simulated and measured",
            sentence="a way to run the text", stage="qpu_evaluate", section="processor", folder="qpu",
        ),
        Table(
            name="modes", title="Both modes: circuits, and errors of the answers",
            sentence="a way to serve the blocks", stage="qpu_evaluate", section="processor", folder="qpu",
        ),
        Table(
            name="plan", title="What it costs, beside the paper's protocol", sentence="a mode and a spacing of lines",
            stage="qpu_plan", section="processor", folder="qpu",
        ),
        Table(
            name="comparison", title="Numbers and costs of maps that are compared, with the settings that differ",
            sentence="a block dimension or a model without blocks at a compression ratio of a map", stage="compare",
        ),
        Table(
            name="comparison_differences", title="Differences between maps, with p-values for all of them at once",
            sentence="a quantity of one map against another's on the same documents", stage="compare",
        ),
    ],
)  # fmt: skip
