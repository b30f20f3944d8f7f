"""Packages that not everyone needs: what asks for them, and what to type where one is missing."""

from __future__ import annotations

from importlib.util import find_spec

from cayley_adapters.core.errors import CayleyError

__all__ = ["EXTRAS", "lacking", "require_extra"]

EXTRAS = {
    "report": ("jinja2",),
    "wandb": ("wandb_workspaces",),
    "qpu": ("ibm_cloud_sdk_core", "ibm_quantum_schemas", "requests", "samplomatic", "urllib3"),
    "harness": ("lm_eval",),
    "slurm": ("snakemake_executor_plugin_slurm",),
}
"""Extra of the installation → the modules that it brings."""


def lacking(module: str | None) -> str | None:
    """What to say where a module is missing; None for one that is of no extra.

    Args:
        module: dotted name of what could not be imported.

    Example:
        >>> lacking("wandb_workspaces.workspaces")
        "wandb_workspaces is not installed; type: pip install 'cayley-adapters[wandb]'"
        >>> lacking("nothing") is None
        True
    """
    name = (module or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if name in modules), None)
    return f"{name} is not installed; type: pip install 'cayley-adapters[{extra}]'" if extra else None


def require_extra(extra: str) -> None:
    """Refuse to go on without the modules of an extra.

    Raises:
        CayleyError: one is missing.
    """
    for module in EXTRAS[extra]:
        if find_spec(module) is None:
            raise CayleyError(str(lacking(module)))
