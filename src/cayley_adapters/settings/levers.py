"""The levers by which the boundary may be moved: what each changes in a configuration, and which are picked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from cayley_adapters.settings.fields import PROJECTIONS, Between, axis
from cayley_adapters.settings.sections import Section

__all__ = ["FULL_STEP_LAYERS", "LEVERS", "LEVER_BLOCK_DIMS", "PLAIN", "RANKED_FROM", "Lever", "Levers"]

PLAIN = "plain"
"""The configuration as it is, which levers are compared with: the map's own cells."""

RANKED_FROM = "all_projections"
"""The lever whose trained blocks tell what each projection gains and costs."""

LEVER_BLOCK_DIMS = (4, 8, 16)

FULL_STEP_LAYERS = 4
"""Layers of a brickwork that learn at the default's rate; deeper ones take steps shorter in proportion. A step moves a
product of many layers far: at the default's rate 19 layers never get better than none."""


@dataclass(frozen=True)
class Lever:
    """One way to move the boundary.

    Levers are changes of one configuration, whose readout is the paper's, with exact circuits of full blocks and
    nothing mitigated.

    Attributes:
        title: for tables and pictures.
        kind: what is changed: how blocks are trained, their ansatz, synthesis, device, readout, mitigation, which
            projections they act on, or several of these.
        changes: dotted key → value.
        depths: block dimension → layers of the brickwork, where they differ.
        block_dims: those that it is measured for.
        ranked: whether blocks act on the best-ranked projections instead of ``train.targets``.
    """

    title: str
    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    depths: Mapping[int, int] = field(default_factory=dict)
    block_dims: tuple[int, ...] = LEVER_BLOCK_DIMS
    ranked: bool = False


def _brickwork(depths: int | dict[int, int], title: str) -> Lever:
    """Blocks of two qubits are left out: theirs are full with one layer, and no more with several."""
    by_dim = depths if isinstance(depths, dict) else {8: depths, 16: depths}
    return Lever(title, "ansatz", {"train.ansatz": "brickwork"}, by_dim, tuple(by_dim))


_UNDONE = {"evaluate.mitigation": "readout+depolarizing"}

LEVERS: dict[str, Lever] = {
    PLAIN: Lever("as the default map", "reference"),
    "noise_aware_training": Lever(
        "training under noise (λ = 1)", "training", {"train.noise_scale": 1.0, "train.readout": "sign_constrained"}
    ),
    "readout_aware_training": Lever("training through the readout", "training", {"train.readout": "sign_constrained"}),
    "characterised": Lever("blocks measured once", "readout", {"evaluate.readout": "characterised"}),
    "readout_mitigation": Lever("readout errors undone", "mitigation", {"evaluate.mitigation": "readout"}),
    "background_mitigation": Lever("readout and background undone", "mitigation", _UNDONE),
    "brickwork_1": _brickwork(1, "brickwork, 1 layer"),
    "brickwork_2": _brickwork(2, "brickwork, 2 layers"),
    "brickwork_3": _brickwork(3, "brickwork, 3 layers"),
    "brickwork_4": _brickwork(4, "brickwork, 4 layers"),
    # 30 parameters for 28, and the very 120; 14 CZ gates of a block for 14, and 58 for 59.
    "brickwork_equal_parameters": _brickwork({8: 5, 16: 13}, "brickwork, equal parameters"),
    "brickwork_equal_gates": _brickwork({8: 7, 16: 19}, "brickwork, equal CZ gates"),
    "qiskit_synthesis": Lever("as many CZ gates as Qiskit's", "synthesis", {"transpile.synthesis": "qiskit"}),
    # At four qubits the search takes seconds a block.
    "noise_aware_synthesis": Lever(
        "noise-aware synthesis", "synthesis", {"transpile.synthesis": "noise_aware"}, block_dims=(4, 8)
    ),
    "best_qubits": Lever("best qubits of the device", "device", {"noise.layout": "best"}),
    "fake_marrakesh": Lever("FakeMarrakesh (Heron r2)", "device", {"noise.backend": "FakeMarrakesh"}),
    "fake_kingston": Lever("FakeKingston (Heron r2)", "device", {"noise.backend": "FakeKingston"}),
    "fake_aachen": Lever("FakeAachen (Heron r3)", "device", {"noise.backend": "FakeAachen"}),
    "fake_boston": Lever("FakeBoston (Heron r3)", "device", {"noise.backend": "FakeBoston"}),
    "fake_pittsburgh": Lever("FakePittsburgh (Heron r3)", "device", {"noise.backend": "FakePittsburgh"}),
    RANKED_FROM: Lever(
        "all 7 projections", "projections", {"train.targets": list(PROJECTIONS), "train.learning_rate": 0.01}
    ),
    "ranked_projections": Lever("projections by gain per noise", "projections", ranked=True),
    "combined_per_token": Lever(
        "combined, circuits for every token",
        "combination",
        _UNDONE | {"train.readout": "sign_constrained", "noise.layout": "best"},
        ranked=True,
    ),
    "combined_characterised": Lever(
        "combined, blocks measured once",
        "combination",
        {"evaluate.readout": "characterised", "evaluate.mitigation": "readout", "noise.layout": "best"},
        ranked=True,
    ),
}
"""Name → lever, in the order of tables."""


class Levers(Section):
    """Which levers are measured beside the map."""

    size: Literal["none", "small", "full", "goal"] = Field(
        description="How much: a ranking in about an hour, every lever, three seeds of those that reach furthest, or "
        "none. Sets further keys."
    )
    names: Annotated[
        tuple[Literal[tuple(LEVERS)], ...],  # type: ignore[valid-type]  # of a table
        axis(order=list(LEVERS).index, empty=True),
    ] = Field(description="Which ways to move the boundary are measured, beside the map as it is.")
    ranking_windows: Annotated[int, Between(1, 100_000)] = Field(
        description="Windows that projections are ranked on; of those that validate training, so as many at most."
    )
    budget: Annotated[float, Between(0, 100, above=True)] = Field(
        description="Inputs that ranked projections may adapt, as a multiple of those of train.targets."
    )
