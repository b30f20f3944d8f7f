"""The ``cayley`` command: one subcommand a stage, with the same configuration as the workflow."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cayley_adapters import __version__
from cayley_adapters.cli.common import PROCESSOR, RESULTS, RUNS, SINGLE, Overrides, Sections, settings_of, variants_of
from cayley_adapters.cli.habits import refuse_habits
from cayley_adapters.cli.processor import chat, qpu_app, qpu_submit
from cayley_adapters.cli.run import run
from cayley_adapters.cli.store import store_app
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import printable, without_secrets
from cayley_adapters.pipeline.failures import explain

if TYPE_CHECKING:
    from cayley_adapters.pipeline.stage import Stage

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Sections,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # which may print local variables, tokens among them
    help="Cayley unitary adapters: where quantum circuits in a language model help, and where noise eats the gain.\n\n"
    "Every command takes experiment=NAME and Hydra overrides, as the workflow does:\n\n"
    "cayley train experiment=quickstart train.steps=40 sweep.block_dim=2,4\n\n"
    "The whole map: cayley run phase_diagram",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cayley-adapters {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    if debug:
        os.environ["CAYLEY_DEBUG"] = "1"


def _add(stage: Stage) -> None:
    from cayley_adapters.pipeline.command import run_stage, words_of

    *group, name = words_of(stage.name)
    heading = None if group else RESULTS if stage.shows else SINGLE
    text = stage.sentence[0].upper() + stage.sentence[1:] + "."

    added = (qpu_app if group else app).command(name, help=text, rich_help_panel=heading, hidden=stage.internal)
    if stage.name == "compare":
        added(compare)
        return
    if stage.name == "qpu_submit":
        added(qpu_submit)
        return

    @added
    def command(overrides: Overrides = None) -> None:
        run_stage(stage.name, settings_of(overrides), overrides or [])


def compare(
    maps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="results/RUN... | experiment=NAME [KEY=VALUE]...", help="Folders, or a run of variants."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; comparison/ unless given.")] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="NAME", help="Map that others are compared with; the first unless given.")
    ] = None,
    noise_scale: Annotated[
        list[float] | None, typer.Option(min=0.0, help="Compare at this one; may be given several times.")
    ] = None,
) -> None:
    """Compare the maps below results folders; those of a run's variants as the workflow does."""
    words = maps or []
    if not words or any("=" in word for word in words):
        if output or reference or noise_scale:
            raise CayleyError("--output, --reference and --noise-scale go with results folders; give those to compare")
        from cayley_adapters.pipeline.command import run_stage

        run_stage("compare", settings_of(words), words)
        return
    from cayley_adapters.analysis.result_folders import results_folders
    from cayley_adapters.report.captions.comparison import comparison_text
    from cayley_adapters.stages.compare import compare_folders

    folders = [folder for word in words for folder in results_folders(Path(word))]
    where = output or Path("comparison")
    found = compare_folders(folders, where, reference, [scale for scale in noise_scale or () if scale > 0])
    typer.echo(printable(f"{comparison_text(found)}\n\nWritten to {where}"))


@cache
def _add_all() -> None:
    from cayley_adapters.pipeline.table import STAGES

    for stage in STAGES.values():
        _add(stage)
    app.add_typer(qpu_app, name="qpu", rich_help_panel=PROCESSOR)
    app.add_typer(store_app, name="store", rich_help_panel=RESULTS)


app.command("run", rich_help_panel=RUNS)(run)


@app.command("config", rich_help_panel=RUNS)
def show_config(
    overrides: Overrides = None,
    as_reference: Annotated[bool, typer.Option("--reference", help="Print what every key means instead.")] = False,
) -> None:
    """Print the resolved configuration of each variant and stop."""
    from cayley_adapters.settings import reference

    if as_reference:
        typer.echo(reference(), nl=False)
        return
    for settings in settings_of(overrides):
        if settings.variant is not None:
            typer.echo(f"# {settings.variant}")
        typer.echo(settings.to_yaml(), nl=False)


@app.command("estimate", rich_help_panel=RUNS)
def estimate(
    overrides: Overrides = None,
    target: Annotated[str, typer.Option(help="What would be asked of snakemake.")] = "phase_diagram",
    cores: Annotated[int | None, typer.Option(min=1, help="As given to snakemake; the machine's at most.")] = None,
    remaining: Annotated[bool, typer.Option("--remaining", help="Only jobs whose files are not there.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine's speed anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Predict time, memory, disk and processor cost of a run before it is started."""
    from cayley_adapters.pipeline.costs import estimate_run

    typer.echo(estimate_run(settings_of(overrides), target, cores, remaining, measure, as_json))


@app.command("verify", rich_help_panel=RUNS)
def verify_results(
    results: Annotated[
        list[str],
        typer.Argument(metavar="results/RUN | experiment=NAME [KEY=VALUE]...", help="Folder, or what it was run with."),
    ],
    cells: Annotated[int, typer.Option(min=0, help="Points to compute again, drawn at random.")] = 3,
    every: Annotated[bool, typer.Option("--all", help="Compute all points again.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0.0, help="Nats a token by which nll may differ on another machine or with other packages."),
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train the blocks of one cell again, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check a results folder against what made it, and compute some of its cells again."""
    import json

    from cayley_adapters.analysis.result_folders import results_folders
    from cayley_adapters.pipeline.verification import TOLERANCE, verify

    if any("=" in word for word in results):
        folders = [Path(variant.folder) for variant in variants_of(results)]
    else:
        folders = [folder for path in results for folder in results_folders(Path(path))]
    allowed = TOLERANCE if tolerance is None else tolerance
    verdicts = [verify(folder, None if every else cells, seed, allowed, retrain) for folder in folders]
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=1))
    else:
        typer.echo("\n\n".join(map(str, verdicts)))
    if not all(verdict.agrees for verdict in verdicts):
        raise typer.Exit(1)


app.command("chat", rich_help_panel=PROCESSOR)(chat)


def main() -> None:
    """Entry point: mistakes, and defects of this program too, end in one message; ``--debug`` shows the traceback."""
    _add_all()
    # PEFT reads an attribute that transformers has renamed; a user can do nothing about it.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    try:
        refuse_habits(sys.argv[1:])
        app(prog_name="cayley")
    # The last boundary before the user: what gets here by another class is a defect, and is told as one.
    except Exception as error:
        if os.environ.get("CAYLEY_DEBUG"):
            typer.echo(_safe(traceback.format_exc()), err=True, nl=False)
        text = explain(error) or _unexpected(error)
        typer.echo(_safe(f"error: {text}"), err=True)
        sys.exit(1)


def _safe(text: str) -> str:
    """A message without secrets, and without what a shell passed on and no terminal or encoding has."""
    return printable(without_secrets(text)).encode("utf-8", "backslashreplace").decode()


def _unexpected(error: Exception) -> str:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    again = shlex.join(["cayley", "--debug", *(word for word in sys.argv[1:] if word != "--debug")])
    return f"this is a defect of cayley-adapters ({what[:300]}); please report it with all that this prints: {again}"
