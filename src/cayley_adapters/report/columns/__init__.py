"""Every column of the CSV files that a run leaves: heading, type, unit and meaning, each registered once.

Columns that end alike are described by what stands before: ``recovery_ci95_low`` by ``recovery``. The report takes its
headings from here, and the documentation its list of tables.
"""

from __future__ import annotations

from dataclasses import replace

from cayley_adapters.report.columns import answer_columns, map_columns, noise_columns
from cayley_adapters.report.columns.column import KINDS, Column

__all__ = ["COLUMNS", "ENDINGS", "KINDS", "Column", "column"]

COLUMNS = {
    (each.table, each.name): each for each in (*map_columns.COLUMNS, *noise_columns.COLUMNS, *answer_columns.COLUMNS)
}
"""(Table or empty, name) → column."""

ENDINGS = {
    "_ci95_low": ("{}, 95 % low", "Lower end of the 95 % interval of {}."),
    "_ci95_high": ("{}, 95 % high", "Upper end of the 95 % interval of {}; empty where it is open."),
    "_low": ("{}, 95 % low", "Lower end of the 95 % interval of {}."),
    "_high": ("{}, 95 % high", "Upper end of the 95 % interval of {}; empty where it is open."),
    "_mean": ("{}, mean", "Mean of {} over the blocks."),
    "_se": ("{}, standard error", "Standard error of that mean, if blocks were independent."),
    "_q05": ("{}, 5 % quantile", "Of {} over the blocks."),
    "_q95": ("{}, 95 % quantile", "Of {} over the blocks."),
}
"""Ending of a name → its heading and meaning, by the column that it belongs to."""


def column(name: str, table: str = "") -> Column | None:
    """What is known of a column.

    Args:
        name: as it stands in the CSV.
        table: the CSV's name without its ending; where the same name means different things, it decides.

    Returns:
        None where nothing is.

    Example:
        >>> column("lambda_c_ci95_low").heading
        'λ_c, 95 % low'
        >>> column("perplexity_at_0.3").titled
        'perplexity at λ = 0.3'
    """
    for key in ((table, name), ("", name)):
        if key in COLUMNS:
            return COLUMNS[key]
    for ending, (heading, meaning) in ENDINGS.items():
        if name.endswith(ending) and (stem := column(name.removesuffix(ending), table)):
            own = heading.format(stem.heading), stem.kind, meaning.format(stem.heading)
            return Column(name, *own, stem.unit, table)
    for family in COLUMNS.values():
        start = family.name.removesuffix("…")
        if start != family.name and name.startswith(start) and len(name) > len(start):
            return replace(family, heading=family.heading.replace("…", name.removeprefix(start).replace("_", " ")))
    if table == "comparison" and "." in name:
        return Column(
            name, name, "text", "Value of this key of the configuration, which the maps differ in.", "", table
        )
    return None
