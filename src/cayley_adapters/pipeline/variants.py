"""Configurations with the folders that their files lie in: what a run is of, and what is derived from it.

What a stored stage makes lies in the store, in a folder named by a hash of the leaves that the stage reads and of the
folders of what it reads: whoever needs the same thing names the same path, in one run or across runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.job import control_of
from cayley_adapters.pipeline.levers import RANKED_BLOCK_DIM, arranged, cells_of
from cayley_adapters.pipeline.table import STAGES, inputs_of, maker_of
from cayley_adapters.settings import Settings
from cayley_adapters.settings.levers import PLAIN, RANKED_FROM

__all__ = ["Arm", "Variant", "stored_folders", "variants"]

DIGITS = 12
"""Of a hash in the name of a folder: two of a million are the same once in a thousand such stores."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One configuration of a run.

    Attributes:
        folder: of its results.
        settings: the configuration.
        store: folder that what stored stages make lies in.
        origin: the configuration by which projections are ranked; its own, if None.
    """

    folder: str
    settings: Settings
    store: str
    origin: Settings | None = None
    _bases: dict[tuple[str, str | None], str] = field(default_factory=dict, repr=False)

    @property
    def healed(self) -> bool:
        """Whether compressed models are healed before anything else reads them."""
        return self.settings.heal.steps > 0

    def base(self, stage: str, control: str | None = None) -> str:
        """The folder that a stage's files lie in: of the results, or of the store.

        Args:
            stage: its name.
            control: folder of a classical control, for a stage that runs over them.
        """
        if not STAGES[stage].stored:
            return self.folder
        own = control if "control" in STAGES[stage].wildcards else None
        if (stage, own) not in self._bases:
            made_from = {name: other.key(maker, own) for name, maker, other in self.sources(stage)}
            read = [stage, self.leaves(stage, own), self.axes(stage), made_from]
            digest = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:DIGITS]
            self._bases[stage, own] = f"{self.store}/{stage}/{self.settings.model.name}-{digest}"
        return self._bases[stage, own]

    def key(self, stage: str, control: str | None = None) -> str:
        """What a stage's files are called, wherever the store is."""
        return self.base(stage, control).removeprefix(f"{self.store}/")

    def sources(self, stage: str) -> Iterator[tuple[str, str, Variant]]:
        """What a stage reads of others: the input's name, the stage that makes it, and the configuration of which."""
        axes = self.axes(stage)
        for name, pattern in inputs_of(stage, self.healed).items():
            maker = maker_of(pattern)
            if maker is None or any(f"{{{axis}}}" in pattern and not values for axis, values in axes.items()):
                continue
            if stage.startswith("qpu_") and STAGES[maker].stored:
                yield name, maker, self.device
            elif stage == "rank":
                yield name, maker, self.survey
            elif name == "exact":
                yield name, maker, self.exact
            else:
                yield name, maker, self

    def leaves(self, stage: str, control: str | None = None) -> dict[str, Any]:
        """The part of the configuration that a stage may read; all of it for ``configure``.

        Args:
            stage: its name.
            control: of whose step sizes it reads one.
        """
        settings = self.origin or self.settings if stage == "rank" else self.settings
        if stage == "configure":
            return settings.model_dump(mode="json")
        row, synthesis = STAGES[stage], SYNTHESES[settings.transpile.synthesis]
        # The device matters to two stages only where they are made for its noise, the teacher where one distils.
        undirected = () if synthesis.directed else ("noise", "transpile.noise_scale")
        uncounted = () if synthesis.compared else ("transpile.compared_blocks",)
        unread: tuple[str, ...] = {
            **dict.fromkeys(("search", "train"), () if settings.train.noise_scale else ("noise",)),
            "teacher": () if settings.train.distillation else ("train.distillation_top_k", "train.temperature"),
            "transpile": undirected + uncounted,
            "evaluate_identity": uncounted,
            "qpu_plan": undirected,
            "qpu_evaluate": undirected,
            "heal": ("heal.rank",) if settings.heal.weights == "all" else (),
        }.get(stage, ())
        if not self.healed:
            unread += tuple(leaf for leaf in row.leaves if leaf.startswith("heal."))
        leaves = settings.leaves(*(leaf for leaf in row.leaves if leaf not in unread))
        if control is not None and stage in ("control", "search_control"):
            own = CONTROLS[control_of(control)[0]].rate
            mine = (f"control.{own}", f"search.{own}") if own else ("train.learning_rate", "search.learning_rate")
            leaves = {key: value for key, value in leaves.items() if key in mine or not key.endswith("learning_rate")}
        return leaves

    @cached_property
    def _rates_given(self) -> bool:
        """Whether the step size of each control is given."""
        control, own = self.settings.control, {CONTROLS[name].rate for name in self.settings.control.methods}
        return all(getattr(control, rate) if rate else self.settings.train.learning_rate for rate in own)

    def axes(self, stage: str) -> dict[str, list[str]]:
        """Of inputs that are not always there, or of one cell only: wildcard → its folder names."""
        settings = self.settings
        ranking = {"ranking": [] if settings.train.ranked_budget is None else ["ranking"]}
        rates = {"rates": [] if settings.train.learning_rate else ["rates"]}
        tried = {"tried": [] if self._rates_given else ["rates"]}
        if stage == "train":
            return ranking | rates
        if stage in ("search", "evaluate_identity"):
            return ranking
        if stage == "control":
            return tried
        if stage == "aggregate":
            return rates | tried
        if stage == "transpile":
            return {"exact": ["circuits"] if SYNTHESES[settings.transpile.synthesis].compared else []}
        if stage == "rank":
            # Of the whole model's own ratio 0 there is nothing to repair.
            ratio = min(settings.sweep.compression_ratio, key=lambda value: (value == 0, value))
            seed = settings.sweep.seed[0]
            return {"ratio": [f"ratio{ratio:g}"], "block": [f"d{RANKED_BLOCK_DIM}"], "seed": [f"seed{seed}"]}
        return {}

    @cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The values of each wildcard, by the name of its folder."""
        sweep = self.settings.sweep
        return {
            "ratio": {f"ratio{value:g}": value for value in sweep.compression_ratio},
            "block": {f"d{value}": value for value in sweep.block_dim},
            "control": {
                name: value
                for method in self.settings.control.methods
                for name, value in (
                    {f"{method}-d{d}": (method, d) for d in self.settings.control.block_dims}
                    if CONTROLS[method].sized
                    else {method: (method, None)}
                ).items()
            },
            "seed": {f"seed{value}": value for value in sweep.seed},
        }

    @cached_property
    def device(self) -> Variant:
        """What goes to a processor: itself, or with blocks on the projections that ``qpu`` names."""
        own = {key: value for key in ("targets", "layers") if (value := getattr(self.settings.qpu, key)) is not None}
        if not own:
            return self
        return self._changed("qpu", self.settings.changed("train", **own, ranked_budget=None))

    @cached_property
    def exact(self) -> Variant:
        """With exact circuits."""
        return self._changed("exact", self.settings.changed("transpile", synthesis="exact"))

    @cached_property
    def survey(self) -> Variant:
        """With blocks on all projections, by which these are ranked."""
        settings = self.origin or self.settings
        return self._changed("survey", arranged(settings, RANKED_FROM, RANKED_BLOCK_DIM))

    @cached_property
    def arms(self) -> list[Arm]:
        """What levers are compared by: the map's own cells, and those of each lever and its identity control."""
        settings, found = self.settings, []
        if settings.levers.names:
            dims = [d for d in settings.sweep.block_dim if isinstance(d, int)]
            found = [Arm(PLAIN, d, seed, self) for d in dims for seed in settings.sweep.seed]
        made: dict[tuple[str, int], Variant] = {}
        for name, d, seed in cells_of(settings):
            if (name, d) not in made:
                made[name, d] = self._changed(f"levers/{name}", arranged(settings, name, d))
            found.append(Arm(name, d, seed, made[name, d]))
        return found

    def _changed(self, where: str, settings: Settings) -> Variant:
        return replace(
            self, folder=f"{self.folder}/{where}", settings=settings, origin=self.origin or self.settings, _bases={}
        )


@dataclass(frozen=True)
class Arm:
    """One cell of a lever, or of its identity control."""

    name: str
    block_dim: int
    seed: int
    variant: Variant

    @property
    def cell(self) -> dict[str, str]:
        """Its folders, by wildcard."""
        ratio = self.variant.settings.sweep.compression_ratio[0]
        return {"ratio": f"ratio{ratio:g}", "block": f"d{self.block_dim}", "seed": f"seed{self.seed}"}


def variants(settings: Sequence[Settings], root: str = "results") -> dict[str, Variant]:
    """Results folder → what lies there: ``results/{run}``, a level deeper for each of several variants.

    Args:
        settings: of a run.
        root: folder of all results.
    """
    found = {}
    for item in settings:
        folder = f"{root}/{item.run}" if item.variant is None else f"{root}/{item.run}/{item.variant}"
        found[folder] = Variant(folder, item, item.store or f"{root}/store")
    return found


def stored_folders(of: Mapping[str, Variant]) -> dict[str, list[tuple[str, str | None, Variant]]]:
    """All folders of the store that a run may need: each with its stage, and all controls and configurations of which.

    Of these any makes the same jobs of a cell; but not all have the same cells.
    """
    found: dict[str, list[tuple[str, str | None, Variant]]] = {}

    def walk(stage: str, control: str | None, variant: Variant) -> None:
        if STAGES[stage].stored:
            these = found.setdefault(variant.base(stage, control), [])
            if (stage, control, variant) in these:
                return
            these.append((stage, control, variant))
        for _, maker, other in variant.sources(stage):
            controls: list[str | None] = [control]
            if "control" in STAGES[maker].wildcards and "control" not in STAGES[stage].wildcards:
                controls = [*other.cells["control"]]
            for one in controls:
                walk(maker, one if "control" in STAGES[maker].wildcards else None, other)

    for variant in of.values():
        for stage, row in STAGES.items():
            if not row.stored:
                walk(stage, None, variant)
        for arm in variant.arms:
            walk("evaluate", None, arm.variant)
    return found
