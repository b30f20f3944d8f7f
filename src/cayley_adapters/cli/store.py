"""``cayley store``: what single steps have left for all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["store_app"]

store_app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="List what single steps have left for all runs, or remove what no run uses.",
)

StorePath = Annotated[Path, typer.Option("--path", help="The store.")]


@store_app.callback()
def show_store(context: typer.Context, path: StorePath = Path("results/store")) -> None:
    """List what single steps have left for all runs: size, age, maker and users."""
    from cayley_adapters.pipeline.contents import contents, contents_table

    if context.invoked_subcommand is None:
        typer.echo(contents_table(contents(path)))


@store_app.command("prune")
def prune_store(
    path: StorePath = Path("results/store"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what no run uses, and remove it."""
    from cayley_adapters.pipeline.contents import contents, contents_table, remove

    entries = [entry for entry in contents(path) if not entry.users]
    typer.echo(contents_table(entries))
    if entries and (yes or typer.confirm("Remove all of these?")):
        unused = {entry.path for entry in contents(path) if not entry.users}  # a run may have begun meanwhile
        entries = [entry for entry in entries if entry.path in unused]
        remove(entries)
        typer.echo(f"removed {len(entries)} entries")
