"""The block of numbers that stands beside the claims of the paper's abstract."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd
from number_blocks import block
from number_tables import Measured, untold
from number_words import NAMES, critical, table

from cayley_adapters.report.words import interval, listing, perplexity, share, significant, whole

__all__ = ["claims"]


@block(
    "quickstart",
    *("phase_diagram.csv", "baselines.csv", "recovery.csv", "recovery_differences.csv", "transition.json"),
    *("questions.csv", "question_comparisons.csv"),
)
def claims(found: Measured) -> str:
    """The abstract's five claims, beside what was measured."""
    exact = [found.adapter("cayley", dim) for dim in found.dims]
    falls = all(larger["perplexity"] < smaller["perplexity"] for smaller, larger in pairwise(exact))
    last = exact[-1]
    widths = [entry["crossover_decades"] for entry in found.blocks if entry["crossover_decades"] is not None]
    sharp = (
        f"; from half to twice the gain lost it takes {significant(min(widths), 2)} to {significant(max(widths), 2)} "
        "decades of noise (0.60 if cost grows as λ)"
        if widths
        else ""
    )
    rows = [
        [
            "6,144 parameters lower Llama 3.1 8B's perplexity by 1.4 %, on a processor",
            "not run: the weights need a login, and the paper's figure under noise is simulated. "
            f"{_one_projection(found)}",
            "`cayley run phase_diagram experiment=paper_llama31_8b model=smollm2_135m run=one_projection`",
        ],
        [
            "perplexity falls with every larger block",
            f"{'yes' if falls else 'no'}, exact: {listing(perplexity(row['perplexity']) for row in exact)} "
            f"for d = {listing(found.dims)}{untold(found, 'signed')}",
            "`cayley run phase_diagram`",
        ],
        [
            "83 % of what compression lost is recovered (LAMBADA, one dense block a projection)",
            f"{share(last['recovery'])} ({interval(last['recovery_ci95_low'], last['recovery_ci95_high'], share)}) at "
            f"d = {found.dims[-1]}, repair {share(last['repair'])} "
            f"({interval(last['repair_ci95_low'], last['repair_ci95_high'], share)}); other text, other compression",
            "`cayley run phase_diagram`",
        ],
        [
            "questions are answered (six sums) that the uncompressed and the compressed model miss",
            _answers(found),
            "`cayley run questions`",
        ],
        [
            "a sharp transition between two and three qubits under noise (at one device's rates)",
            f"λ_c = {listing(critical(entry, brief=True) for entry in found.blocks)} for d = {listing(found.dims)}"
            f"{sharp}",
            "`cayley run phase_diagram`",
        ],
    ]
    return table(["the paper says", "here", "command"], rows)


def _one_projection(found: Measured) -> str:
    """What blocks on one projection of the uncompressed SmolLM2-135M do, where ``docs/data/one_projection`` has it."""
    one = Measured(found.folder.parent / "one_projection")
    if not (one.folder / "transition.json").is_file():
        return "The command takes SmolLM2-135M"
    noisy = one.perplexities(0).get((4, 1.0))
    controls = one.baselines[one.baselines["method"] == "lora"]["nll"]
    told = [f"SmolLM2-135M: {significant(one.level(0), 4)} to {significant(one.exact(0, 4), 4)}"]
    told += [f"{significant(noisy, 4)} at λ = 1"] if noisy else []
    told += [f"LoRA {significant(math.exp(controls.mean()), 4)}"] if len(controls) else []
    return f"{', '.join(told)} (`docs/data/one_projection`)"


def _answers(found: Measured) -> str:
    """How many questions each model answers rightly, and on how many blocks and the compressed model differ."""
    asked = pd.read_csv(found.folder / "questions.csv")
    arms = asked["arm"].str.replace("blocks_noise", "blocks at λ = ").str.replace("_", " ").replace(NAMES)
    told = [f"{arm} {whole(right)}" for arm, right in zip(arms, asked["correct"], strict=True)]
    pairs = pd.read_csv(found.folder / "question_comparisons.csv").set_index(["first", "second"])
    pair = pairs.loc[("compressed", "blocks_exact")]
    won, lost = whole(pair["only_second"]), whole(pair["only_first"])
    return (
        f"right of {whole(asked['questions'].iloc[0])}: {', '.join(told)}; against compressed, exact blocks win {won} "
        f"and lose {lost} (p = {significant(pair['mcnemar_p_holm'], 2)}, Holm)"
    )
