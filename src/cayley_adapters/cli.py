"""The ``cayley`` command: one subcommand a stage, with the same configuration as the workflow."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cayley_adapters.errors import CayleyError

if TYPE_CHECKING:
    from cayley_adapters.layout import Job

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Cayley unitary adapters: where quantum circuits in a language model help, and where noise eats the gain.\n\n"
    "Every command takes experiment=NAME and Hydra overrides, as the workflow does:\n\n"
    "cayley train experiment=quickstart train.steps=40 sweep.block_dim=2,4\n\n"
    "The whole map: snakemake --cores 8 phase_diagram",
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[experiment=NAME] [KEY=VALUE]...", help="Preset and Hydra overrides, sweeps included."),
]


def _run_stage(stage: str, arguments: list[str] | None) -> None:
    from cayley_adapters.jobs import run_job
    from cayley_adapters.layout import jobs
    from cayley_adapters.progress import say
    from cayley_adapters.settings import compose, parse_cli
    from cayley_adapters.tracking import track_with

    experiment, overrides = parse_cli(arguments or [])
    settings = compose(experiment, overrides)
    track_with(settings[0].track.model_dump(mode="json"))
    todo = list(jobs(settings, stage))
    if stage == "compress":
        # A compressed model is worth having alone, and all that it needs is the model and the text.
        todo = [job for job in jobs(settings, "prepare") if not all(map(Path.exists, job.outputs().values()))] + todo
    made = {path for job in todo for path in job.outputs().values()}
    for job in todo:
        _check_inputs(job, made, arguments or [])
    for job in todo:
        say(f"{job.label} → {job.base}")
        run_job(job)


def _check_inputs(job: Job, made: set[Path], arguments: list[str]) -> None:
    from cayley_adapters.pipeline import STAGES

    makers = {pattern: name for name, stage in STAGES.items() for pattern in stage.outputs.values()}
    for name, paths in job.inputs().items():
        if missing := [path for path in paths if path not in made and not path.exists()]:
            maker = makers[STAGES[job.stage].inputs[name]]
            command = shlex.join(["cayley", maker, *arguments])
            raise CayleyError(f"{job.label} needs {missing[0]}, which is not there. Make it with: {command}")


def _add(stage: str, text: str) -> None:
    @app.command(stage, help=text[0].upper() + text[1:] + ".")
    def command(overrides: Overrides = None) -> None:
        _run_stage(stage, overrides)


def _add_all() -> None:
    from cayley_adapters.pipeline import STAGES

    for name, stage in STAGES.items():
        _add(name, stage.help)


@app.command("config")
def show_config(
    overrides: Overrides = None,
    as_reference: Annotated[bool, typer.Option("--reference", help="Print what every key means instead.")] = False,
) -> None:
    """Print the resolved configuration and stop."""
    from cayley_adapters.settings import compose, parse_cli, reference

    if as_reference:
        typer.echo(reference(), nl=False)
        return
    experiment, given = parse_cli(overrides or [])
    for settings in compose(experiment, given):
        typer.echo(settings.to_yaml(), nl=False)


def main() -> None:
    """Entry point: user mistakes end in one message without a traceback, unless ``CAYLEY_DEBUG`` is set."""
    _add_all()
    try:
        app()
    except CayleyError as error:
        if os.environ.get("CAYLEY_DEBUG"):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
