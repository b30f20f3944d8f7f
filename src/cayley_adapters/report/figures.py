"""All figures of a run, by the stage that draws them.

The table of stages takes their files from here, a stage draws those in its own list and hangs on no others, and the
report and the W&B pages show them. A further figure of what a stage has at hand is a module with a function that draws
it and one entry in the stage's list.
"""

from __future__ import annotations

from cayley_adapters.core.registry import Registry
from cayley_adapters.report.contents import Figure

__all__ = [
    "BENCHMARKS",
    "COMPARE",
    "ENTANGLEMENT",
    "FIGURES",
    "LEVERS",
    "PHASE_DIAGRAM",
    "QPU_PLAN",
    "QUESTIONS",
    "RECOVERY",
    "SCALING",
]

PHASE_DIAGRAM = (
    Figure(
        name="phase_diagram",
        title="Phase diagram",
        sentence="Heat map of perplexity over noise scale and block dimension, with the critical noise",
        stage="phase_diagram",
        section="phase-diagram",
        takes=("phase_diagram", "baselines", "transition"),
        drawn="cayley_adapters.report.plots.phase_diagram:phase_diagram_figure",
        chart="cayley_adapters.report.plots.phase_chart:phase_diagram_chart",
        kinds=("png", "svg", "html"),
    ),
)
SCALING = (
    Figure(
        name="transition",
        title="The transition: gain, cost and critical noise",
        sentence="Gain and cost over noise scale, and critical noise over two-qubit gates, of each block size",
        stage="scaling",
        section="transition",
        takes=("transition", "heading"),
        drawn="cayley_adapters.report.plots.transition:transition_figure",
    ),
    Figure(
        name="noise_budget",
        title="Cost by source of errors",
        sentence="Cost of each kind of error, of each block size",
        stage="scaling",
        section="noise-budget",
        takes=("costs", "gains", "circuits", "heading"),
        drawn="cayley_adapters.report.plots.noise_budget:noise_budget_figure",
    ),
)
RECOVERY = (
    Figure(
        name="recovery",
        title="Recovery without noise",
        sentence="Recovered share of the lost perplexity over trained parameters, of blocks and controls",
        stage="recovery",
        section="recovery",
        takes=("recovery", "references", "model"),
        drawn="cayley_adapters.report.plots.recovery:recovery_figure",
    ),
)
QUESTIONS = (
    Figure(
        name="questions",
        title="Questions answered correctly",
        sentence="Share of questions answered correctly, of each model",
        stage="questions",
        section="questions",
        takes=("questions", "question_comparisons"),
        drawn="cayley_adapters.report.plots.questions:questions_figure",
    ),
)
BENCHMARKS = (
    Figure(
        name="benchmarks",
        title="Benchmarks",
        sentence="Score of each model on each task, with intervals and chance",
        stage="benchmarks",
        section="benchmarks",
        takes=("benchmarks", "tasks"),
        drawn="cayley_adapters.report.plots.benchmarks:benchmarks_figure",
    ),
)
ENTANGLEMENT = (
    Figure(
        name="entanglement",
        title="Operator entanglement",
        sentence="Operator entanglement of the trained blocks, of each block size",
        stage="entanglement",
        section="entanglement",
        takes=("entanglement", "entanglement_differences", "model", "ansatz"),
        drawn="cayley_adapters.report.plots.entanglement:entanglement_figure",
    ),
)
LEVERS = (
    Figure(
        name="levers",
        title="Levers",
        sentence="Critical noise with its interval, of each lever and number of qubits",
        stage="levers",
        section="levers",
        takes=("levers", "model", "backend", "ratio"),
        drawn="cayley_adapters.report.plots.levers:levers_figure",
        reads=("levers.json",),
    ),
)
QPU_PLAN = (
    Figure(
        name="lines",
        title="Lines of qubits",
        sentence="Mean error of lines of qubits over how many of them run at once",
        stage="qpu_plan",
        section="processor",
        folder="qpu",
        takes=("lines", "heading", "quality"),
        drawn="cayley_adapters.report.plots.lines:lines_figure",
    ),
)
COMPARE = (
    Figure(
        name="comparison",
        title="Maps compared",
        sentence="Critical noise of each map, and differences of perplexity on the same documents; the page has the "
        "heat map of each as well",
        stage="compare",
        takes=("maps", "comparison_differences", "notes"),
        drawn="cayley_adapters.report.plots.comparison:comparison_figure",
        chart="cayley_adapters.report.plots.comparison_chart:comparison_chart",
        kinds=("png", "svg", "html"),
    ),
)

FIGURES: Registry[Figure] = Registry(
    "figure",
    [*PHASE_DIAGRAM, *SCALING, *RECOVERY, *QUESTIONS, *BENCHMARKS, *ENTANGLEMENT, *LEVERS, *QPU_PLAN, *COMPARE],
)
