"""What the report shows, section by section: one row here, and the files among the inputs of its stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cayley_adapters.report.page.captions import (
    budget_caption,
    entanglement_caption,
    phase_diagram_caption,
    processor_caption,
    questions_caption,
    recovery_caption,
    transition_caption,
)
from cayley_adapters.report.page.evidence import Evidence
from cayley_adapters.report.page.lever_caption import levers_caption

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True)
class Section:
    """One section. Files that are not among the stage's inputs are left out, and a section without any as well.

    Attributes:
        anchor: what its navigation link points to.
        title: its heading.
        pictures: file name of each picture, without ``.png`` → what it shows, for those who do not see it.
        tables: file name of each table → its heading.
        caption: gives the paragraphs above them.
        summary: file name of a long table → the columns whose groups are averaged above it.
    """

    anchor: str
    title: str
    pictures: Mapping[str, str]
    tables: Mapping[str, str]
    caption: Callable[[Evidence], list[str]]
    summary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


SECTIONS = (
    Section(
        "phase-diagram",
        "Phase diagram",
        {"phase_diagram": "Heat map of perplexity over noise scale and block dimension, with the critical noise"},
        {"phase_diagram.csv": "All cells"},
        phase_diagram_caption,
    ),
    Section(
        "transition",
        "The transition",
        {"transition": "Gain and cost over noise scale, and critical noise over two-qubit gates, of each block size"},
        {"transition.csv": "Gain, cost and critical noise"},
        transition_caption,
    ),
    Section(
        "recovery",
        "Recovery beside classical controls",
        {"recovery": "Recovered share of the lost perplexity over trained parameters, of blocks and controls"},
        {
            "recovery.csv": "What blocks and controls recover without noise",
            "recovery_differences.csv": "Differences of nll: larger blocks and smaller ones, blocks and controls",
            "baselines.csv": "Models without blocks, and the controls",
        },
        recovery_caption,
    ),
    Section(
        "noise-budget",
        "Noise budget and circuits",
        {"noise_budget": "Cost of each kind of error, of each block size"},
        {"noise_budget.csv": "Cost by kind of error", "circuits.csv": "Gates, depth and fidelity of the circuits"},
        budget_caption,
    ),
    Section(
        "questions",
        "Questions",
        {"questions": "Share of questions answered correctly, of each model"},
        {
            "questions.csv": "Questions answered correctly",
            "question_comparisons.csv": "Models compared on the same questions",
            "question_flips.csv": "Questions that blocks answer differently",
            "question_samples.csv": "Answers written out",
        },
        questions_caption,
    ),
    Section(
        "entanglement",
        "Entanglement of the blocks",
        {"entanglement": "Operator entanglement of the trained blocks, of each block size"},
        {
            "entanglement_differences.csv": "Trained blocks and random ones compared",
            "entanglement.csv": "Operator Schmidt decomposition",
        },
        entanglement_caption,
        summary={"entanglement.csv": ("compression_ratio", "block_dim", "kind")},
    ),
    Section(
        "levers",
        "What moves the boundary",
        {"levers": "Critical noise with its interval, of each lever and number of qubits"},
        {"levers.csv": "Levers and controls"},
        levers_caption,
    ),
    Section(
        "processor",
        "On a processor",
        {"lines": "Mean error of lines of qubits over how many of them run at once"},
        {
            "inference.csv": "Perplexity of one text: exact, simulated and measured",
            "modes.csv": "Both modes: circuits, and errors of the answers",
            "plan.csv": "What it costs, beside the paper's protocol",
        },
        processor_caption,
    ),
)
