"""What all commands share: headings, the words that ask for a configuration, and what these come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from cayley_adapters.pipeline.variants import Variant
    from cayley_adapters.settings import Settings

__all__ = ["PROCESSOR", "RESULTS", "RUNS", "SINGLE", "Overrides", "Sections", "settings_of", "variants_of"]

RUNS, SINGLE, RESULTS, PROCESSOR = "Whole runs", "Single stages", "Looking at results", "Processor"
"""Sections of ``cayley --help``."""


class Sections(TyperGroup):
    """Commands under the headings that they name, each with its whole sentence, in plain text."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write them, for ``--help``."""
        sections: dict[str, list[tuple[str | None, str | None]]] = {name: [] for name in (RUNS, SINGLE, RESULTS)}
        for command in self.commands.values():
            if not command.hidden:
                name = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(name, []).append((command.name, command.help))
        for name, rows in sections.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows)


Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[experiment=NAME] [KEY=VALUE]...", help="Preset and Hydra overrides, sweeps included."),
]


def variants_of(overrides: list[str] | None) -> list[Variant]:
    """The variants of :func:`settings_of`, with their folders."""
    from cayley_adapters.pipeline.variants import variants

    return list(variants(settings_of(overrides)).values())


def settings_of(overrides: list[str] | None) -> list[Settings]:
    """What the words of a command ask for, checked against the schema, the model's shape and the device."""
    from cayley_adapters.core.hints import typed
    from cayley_adapters.pipeline.feasibility import require_feasible
    from cayley_adapters.settings import compose, parse_cli

    typed(overrides or [])
    found = compose(*parse_cli(overrides or []))
    require_feasible(found)
    return found
