"""The blocks of numbers that write_numbers.py fills: each is text made of tables in one folder of docs/data.

Tables say by themselves what is written: no sentence claims an order, or an advantage, that the numbers do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pandas as pd
from number_tables import Measured, MissingFileError, untold
from number_words import NAMES, critical, name_of, number, pair, table

from cayley_adapters.pipeline.targets import target_of
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import interval, listing, perplexity, share, significant, whole

__all__ = ["BLOCKS", "MissingFileError"]

BLOCKS: dict[str, Callable[[Path], str]] = {}


def block(experiment: str, *files: str) -> Callable[[Callable[[Measured], str]], Callable[[Measured], str]]:
    """Register a block, under its function's name, that is made of these files of an experiment's folder."""

    def register(write: Callable[[Measured], str]) -> Callable[[Measured], str]:
        def written(data: Path) -> str:
            folder = data / experiment
            if absent := [name for name in files if not (folder / name).is_file()]:
                raise MissingFileError(f"docs/data/{experiment}/{absent[0]} is missing")
            names = ", ".join(f"`{name}`" for name in files)
            return f"{write(Measured(folder))}\n\nFrom {names} in `docs/data/{experiment}`, `experiment={experiment}`."

        BLOCKS[write.__name__] = written
        return write

    return register


@block("quickstart", "phase_diagram.csv", "transition.json")
def caption(found: Measured) -> str:
    first = found.chosen.iloc[0]
    targets = listing(f"`{name}`" for name in first["targets"].split())
    return (
        f"{model_title(first['model'])}, compressed by {100 * found.ratio:g} %, with blocks of d = "
        f"{listing(found.dims)} on the inputs of {targets}, run with {whole(first['shots'])} shots a circuit under the "
        f"noise of {first['backend']}, scaled by λ: 0 is none, 1 the device as calibrated. Left of the black line the "
        "blocks help; right of it the model is better off without them."
    )


@block(
    "quickstart", "phase_diagram.csv", "baselines.csv", "recovery.csv", "recovery_differences.csv", "transition.json"
)
def findings(found: Measured) -> str:
    """What the run says, in five lines."""
    return "\n".join(
        f"{place}. {line}"
        for place, line in enumerate(
            [_expressive(found), _boundary(found), _as_calibrated(found), _adapted(found), _controlled(found)], 1
        )
    ) + (
        f"\n\nIntervals (95 %) hold the {found.documents} test documents ({whole(found.tokens)} tokens) and shots; "
        f"{'training seeds as well' if found.seeds > 1 else 'with one training seed, its spread is not known'}."
    )


def _expressive(found: Measured) -> str:
    values = [found.cells[dim, 0.0] for dim in found.dims]
    falls = all(larger < smaller for smaller, larger in pairwise(values))
    return (
        f"**Without noise larger blocks {'gain more' if falls else 'do not always gain more'}**: d = "
        f"{listing(found.dims)} bring perplexity from {perplexity(found.without)} to "
        f"{listing(perplexity(value) for value in values)} (uncompressed {perplexity(found.uncompressed)})"
        f"{untold(found, 'sign_constrained')}."
    )


def _boundary(found: Measured) -> str:
    values = [entry["lambda_c"] for entry in found.blocks]
    falls = all(larger < smaller for smaller, larger in pairwise(values))
    told = "; ".join(f"d = {entry['block_dim']}: {critical(entry)}" for entry in found.blocks)
    headline = "Noise eats the gain of larger blocks first" if falls else "Where noise eats the gain"
    return f"**{headline}**, at λ_c – {told}."


def _as_calibrated(found: Measured) -> str:
    values = {dim: found.cells[dim, 1.0] for dim in found.dims}
    part = {row["block_dim"]: row for row in found.parts[found.ratio]["recovery_nll"] if row["noise_scale"] == 1}
    nats = {dim: (part[dim]["nll_difference"], part[dim]["nll_difference_ci95"]) for dim in values}
    helps = [dim for dim, (_, (_, high)) in nats.items() if high < 0]
    harms = [dim for dim, (_, (low, _)) in nats.items() if low > 0]
    neither = [dim for dim in values if dim not in (*helps, *harms)]
    verbs = ((helps, "help"), (harms, "harm"), (neither, "do neither that can be told"))
    told = [f"of d = {listing(dims)} {verb}" for dims, verb in verbs if dims]
    return (
        f"**On the device as calibrated (λ = 1) blocks {listing(told)}**: perplexity "
        f"{listing(perplexity(value) for value in values.values())} against {perplexity(found.without)} without "
        f"blocks; in nats {'; '.join(f'{significant(value)} ({pair(ends)})' for value, ends in nats.values())}."
    )


def _adapted(found: Measured) -> str:
    entry = found.entry(found.middle)
    if entry["adaptation"] is None:
        return "**How much of the gain is adaptation to the text was not measured.**"
    most = entry["adaptation"] > entry["gain"] / 2
    return (
        f"**{'Most' if most else 'Less than half'} of the gain is adaptation to the text**: blocks d = {found.middle} "
        f"gain {significant(entry['gain'])} nats a token ({pair(entry['gain_ci95'])}) on the compressed model and "
        f"{significant(entry['adaptation'])} ({pair(entry['adaptation_ci95'])}) on the uncompressed one. Of the damage "
        f"they repair {share(entry['repair'])} ({pair(entry['repair_ci95'], share)})."
    )


def _controlled(found: Measured) -> str:
    rows = found.differences[found.differences["other_method"] != "cayley"]
    rows = rows[rows["compression_ratio"] == found.ratio]
    if rows.empty:
        return "**No classical control was trained.**"
    row = rows[rows["block_dim"] == found.middle].iloc[0] if found.middle in set(rows["block_dim"]) else rows.iloc[0]
    dim, control = int(row["block_dim"]), NAMES.get(row["other_method"], row["other_method"])
    better = (
        "does better than" if row["ci95_low"] > 0 else "does worse than" if row["ci95_high"] < 0 else "is level with"
    )
    one, other = found.adapter("cayley", dim), found.adapter(row["other_method"], row["other_block_dim"])
    return (
        f"**{control} {better} blocks in exact arithmetic**: perplexity {perplexity(other['perplexity'])} with "
        f"{whole(other['adapter_parameters'])} parameters against {perplexity(one['perplexity'])} with "
        f"{whole(one['adapter_parameters'])} (d = {dim}); difference {significant(row['nll_difference'])} nats "
        f"({interval(row['ci95_low'], row['ci95_high'])})."
    )


@block("quickstart", "jobs.csv", "provenance.json")
def how_long(found: Measured) -> str:
    """What the run took, on which machine."""
    jobs, machine = pd.read_csv(found.folder / "jobs.csv"), found.machine
    reported = jobs["job"].map(lambda job: target_of(job.partition("-")[0]) != "phase_diagram")

    def minutes(rows: pd.DataFrame) -> str:
        """While any of them ran: what was made again later began much later."""
        rows = rows.sort_values("started")
        ends = (rows["started"] + rows["seconds"]).cummax()
        idle = (rows["started"] - ends.shift()).clip(lower=0).sum()
        return f"{(ends.max() - rows['started'].min() - idle) / 60:.0f}"

    report = f", the report {minutes(jobs[reported])} more" if reported.any() else ""
    spent = jobs["cpu_seconds"].sum() / 60
    return (
        f"The map took {minutes(jobs[~reported])} minutes{report}, {spent:.0f} of processor time in all, and "
        f"at most {jobs['memory_mb'].max() / 1000:.1f} GB a job, on two cores ({machine})."
    )


@block("quickstart", "phase_diagram.csv", "baselines.csv", "transition.json")
def default_run(found: Measured) -> str:
    """The table of the run: perplexities by compression ratio, block dimension and noise scale."""
    scales = found.scales
    rows = []
    for ratio, part in found.parts.items():
        chosen = found.at(ratio)
        for entry in part["blocks"]:
            dim = entry["block_dim"]
            own = chosen[chosen["block_dim"] == dim].iloc[0]
            noisy = (chosen["noise_scale"] > 0).any()
            found_at = found.perplexities(ratio)
            rows.append(
                [
                    f"{number(ratio)} ({perplexity(found.level(ratio))})",
                    str(dim),
                    whole(own["adapter_parameters"]),
                    number(own["two_qubit_gates"]),
                    perplexity(found.exact(ratio, dim)),
                    *(perplexity(found_at[dim, scale]) if (dim, scale) in found_at else "" for scale in scales),
                    critical(entry) if noisy else "",
                ]
            )
    head = ["compression ratio (perplexity without blocks)", "d", "parameters", "CZ a circuit", "exact, signed"]
    return table([*head, *(f"λ = {number(scale)}" for scale in scales), "λ_c (95 %)"], rows)


@block("quickstart", "recovery.csv", "baselines.csv")
def gains(found: Measured) -> str:
    """Gain, adaptation and repair of blocks and controls without noise."""
    rows = []
    for row in found.recovery.to_dict("records"):
        if row["compression_ratio"] == 0:
            continue
        gain = found.nll(row["compression_ratio"]) - row["nll"]
        both = [interval(row[f"{name}_ci95_low"], row[f"{name}_ci95_high"], write)
                for name, write in (("adaptation", significant), ("repair", share), ("recovery", share))]  # fmt: skip
        rows.append(
            [
                number(row["compression_ratio"]),
                name_of(row["method"], row["block_dim"]),
                row["readout"].replace("_", "-"),
                whole(row["adapter_parameters"]),
                perplexity(row["perplexity"]),
                significant(gain),
                f"{significant(row['adaptation'])} ({both[0]})",
                f"{share(row['repair'])} ({both[1]})",
                f"{share(row['recovery'])} ({both[2]})",
            ]
        )
    head = ["ratio", "adapter", "readout", "parameters", "perplexity", "gain (nats)"]
    return table([*head, "adaptation (nats)", "repair", "recovery"], rows)


@block("quickstart", "recovery_differences.csv")
def differences(found: Measured) -> str:
    """What is better than what, paired."""
    rows = [
        [
            number(row["compression_ratio"]),
            f"{name_of(row['method'], row['block_dim'])}, {row['readout'].replace('_', '-')}",
            name_of(row["other_method"], row["other_block_dim"]),
            significant(row["nll_difference"]),
            interval(row["ci95_low"], row["ci95_high"]),
            significant(row["p_holm"], 2),
        ]
        for row in found.differences.to_dict("records")
    ]
    return table(["ratio", "of", "to", "difference (nats)", "95 %", "p, adjusted"], rows)


@block("quickstart", "learning_rates.csv")
def step_sizes(found: Measured) -> str:
    """The step sizes that were tried, with the one taken in bold."""
    rows = []
    for (ratio, method, dim), group in found.trials.groupby(["compression_ratio", "method", "block_dim"], dropna=False):
        tried = [
            f"{rate:g}: {loss:.4f}" for rate, loss in zip(group["learning_rate"], group["validation"], strict=True)
        ]
        tried = [f"**{text}**" if taken else text for text, taken in zip(tried, group["chosen"], strict=True)]
        rows.append([number(ratio), name_of(method, dim), ", ".join(tried), "yes" if group["at_end"].any() else "no"])
    return table(["ratio", "adapter", "step size: validation loss", "an end of the list"], rows)


def example(data: Path) -> str:
    """What README's example of the library printed."""
    path = data / "readme" / "example.txt"
    if not path.is_file():
        raise MissingFileError("docs/data/readme/example.txt is missing")
    return f"```text\n{path.read_text(encoding='utf-8').strip()}\n```"


BLOCKS["example"] = example


def mitigation(data: Path) -> str:
    """What mitigation leaves of errors where the device is not as calibrated, and the worst, twirled or not."""
    path = data / "mitigation_errors.csv"
    if not path.is_file():
        raise MissingFileError("docs/data/mitigation_errors.csv is missing")
    kinds = ["none", "readout+depolarizing", "measured"]
    found = pd.read_csv(path).pivot_table("error", ["device", "block_dim", "noise_scale"], "mitigation", sort=False)
    found = found[kinds].unstack(["block_dim", "noise_scale"])
    places = list(dict.fromkeys((dim, scale) for _, dim, scale in found.columns))
    twirled = found.index.str.contains("twirled")
    worst = ("the worst, not twirled", found[~twirled].max())
    best = ("the worst, twirled", found[twirled | ~found.index.str.contains("coherent")].max())
    rows = [
        [str(device), *(" / ".join(f"{row[kind, dim, scale]:.3f}" for kind in kinds) for dim, scale in places)]
        for device, row in [*found.iterrows(), worst, best]
    ]
    return table(["device", *(f"d = {dim}, λ = {scale:g}" for dim, scale in places)], rows)


BLOCKS["mitigation"] = mitigation
