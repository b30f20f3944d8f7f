"""The readouts: how a block's output is made of what is measured."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Look, Registry

__all__ = ["MEASURED", "READOUTS", "TRAINED", "Readout"]


@dataclass(frozen=True, kw_only=True)
class Readout(Entry):
    """A readout, as its users know it before it runs.

    Attributes:
        readout_builder: ``(make, blocks, **options)`` → executor, where ``make(**options)`` is the device's
            :class:`cayley_adapters.simulation.executors.NoisyExecutor`, ``blocks`` are the trained blocks (projection →
            ``(B, d, d)``, float64) and ``options`` have ``shots``, ``seed`` and ``mitigation``; None where no device
            reads out so.
        measured: whether a device reads out so.
        trained: whether blocks can be trained under it.
        once: whether blocks are measured once, and every token is served with what was found.
        look: how blocks that are read out so are drawn.
    """

    readout_builder: str | None = None
    measured: bool = True
    trained: bool = False
    once: bool = False
    look: Look


READOUTS = Registry(
    "readout",
    [
        Readout(
            name="signed",
            title="signed (exact arithmetic)",
            sentence="y = Qx, which no device shows",
            measured=False,
            trained=True,
            look=Look(in_legend="blocks, signed", stroke="o-", filling="full"),
        ),
        Readout(
            name="sign_constrained",
            title="sign-constrained",
            sentence="y_k = sign(x_k) ‖x‖ √p_k of measured frequencies p, the paper's",
            readout_builder="cayley_adapters.simulation.executors:signs_of_inputs",
            trained=True,
            look=Look(in_legend="blocks, sign-constrained", stroke="o--", filling="none"),
        ),
        Readout(
            name="characterised",
            title="characterised (maps measured once)",
            sentence="the map Q̂ that the device's frequencies were found to follow, once a block",
            readout_builder="cayley_adapters.simulation.executors:measured_once",
            once=True,
            look=Look(in_legend="blocks, measured once", stroke="o:", filling="left"),
        ),
        Readout(
            name="ideal_sign",
            title="ideal signs",
            sentence="y_k = sign((Qx)_k) ‖x‖ √p_k of measured frequencies p, an upper bound",
            readout_builder="cayley_adapters.simulation.executors:signs_of_products",
            look=Look(in_legend="blocks, ideal signs", stroke="o-.", filling="bottom"),
        ),
        Readout(
            name="magnitude",
            title="magnitudes",
            sentence="y_k = ‖x‖ √p_k of measured frequencies p, without any signs",
            readout_builder="cayley_adapters.simulation.executors:without_signs",
            look=Look(in_legend="blocks, no signs", stroke="o-", filling="right"),
        ),
    ],
)
"""Name → readout."""

TRAINED = Registry("readout", [readout for readout in READOUTS.values() if readout.trained])
"""Those under which blocks can be trained."""

MEASURED = Registry("readout", [readout for readout in READOUTS.values() if readout.measured])
"""Those of a device."""
