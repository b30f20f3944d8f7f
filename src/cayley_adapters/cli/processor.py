"""``cayley qpu``, beside its stages, and ``cayley chat``: what was sent to a processor, and the model for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cayley_adapters.cli.common import Overrides, Sections, settings_of, variants_of
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import printable

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job

__all__ = ["chat", "qpu_app", "qpu_submit"]

qpu_app = typer.Typer(
    cls=Sections,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run blocks on a quantum processor: plan and price it, send each job once, collect what was measured.",
)


def qpu_submit(
    overrides: Overrides = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what is shown, and to pay it: qpu.agree=true.")] = False,
) -> None:
    """Send the jobs, each once."""
    from cayley_adapters.pipeline.command import run_stage

    words = [*(overrides or []), *(["qpu.agree=true"] if yes else [])]
    run_stage("qpu_submit", settings_of(words), words)


@qpu_app.command("status")
def qpu_status(overrides: Overrides = None) -> None:
    """Print what was sent, how it fares at the service, what it used and what came back."""
    from cayley_adapters.core.messages import say
    from cayley_adapters.qpu.desk import status_table, under_way
    from cayley_adapters.settings.schema import partial
    from cayley_adapters.stages.device_desk import desk_of

    job = _device_job(overrides)
    if under_way(job.base):
        try:
            known = partial(job.leaves)
            desk_of(job, known.qpu, known.noise, quiet=True).refresh()
        except CayleyError as error:
            say(f"as last known, since the service could not be asked: {error}")
    typer.echo(printable(status_table(job.base)))


@qpu_app.command("resolve")
def qpu_resolve(
    tag: Annotated[str, typer.Argument(help="Tag of the submission whose fate is unknown.")],
    overrides: Overrides = None,
    adopt: Annotated[str | None, typer.Option(metavar="JOB", help="It arrived as this job.")] = None,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="It never arrived: send it again, and pay it.")] = False,
) -> None:
    """Decide what became of a submission that was never answered."""
    if bool(adopt) == resubmit:
        raise CayleyError(f"{tag}: give one of --adopt JOB and --resubmit")
    from cayley_adapters.qpu.desk import status_table
    from cayley_adapters.settings.schema import partial
    from cayley_adapters.stages.device_desk import desk_of

    job = _device_job(overrides)
    status_table(job.base)  # says so if nothing was ever sent from there
    known = partial(job.leaves)
    typer.echo(desk_of(job, known.qpu, known.noise).resolve(tag, adopt))


def chat(
    overrides: Overrides = None,
    executor: Annotated[str, typer.Option(help="What runs the blocks: exact, noisy or qpu.")] = "exact",
    prompt: Annotated[str | None, typer.Option(help="Answer this and stop, instead of reading lines.")] = None,
    new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the most probable token.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of draws and simulated shots.")] = 0,
) -> None:
    """Talk with the model that goes to the processor, and see what each answer takes of it."""
    from cayley_adapters.pipeline.command import require_inputs
    from cayley_adapters.stages.chat import needed, run

    names, job = needed(executor), _device_job(overrides)
    require_inputs(job, "chat", (), overrides or [], names)
    run(job, executor, prompt, new_tokens, temperature, seed)


def _device_job(overrides: list[str] | None) -> Job:
    """The job of the processor that ``overrides`` ask for."""
    from cayley_adapters.pipeline.jobs import device_job

    [variant, *others] = variants_of(overrides)
    if others:
        names = ", ".join(str(one.settings.variant) for one in (variant, *others))
        raise CayleyError(f"{names}: these are several variants, and one is needed; give each key one value")
    return device_job(variant)
