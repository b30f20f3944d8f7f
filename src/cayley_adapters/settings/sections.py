"""The sections of a run's configuration, one class each.

The defaults live in ``conf/`` alone, so a section has none; the descriptions make the configuration reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.messages import show
from cayley_adapters.core.registry import choices
from cayley_adapters.models.compression.methods import METHODS
from cayley_adapters.models.compression.widths import SHAPES, units_apart
from cayley_adapters.settings.fields import (
    PROJECTIONS,
    Between,
    HubId,
    Name,
    Path,
    Paths,
    Pattern,
    Projection,
    Revision,
    Text,
    axis,
)

__all__ = [
    "Compress",
    "Data",
    "Device",
    "Layers",
    "Model",
    "Section",
    "Targets",
    "Threads",
    "Track",
    "Transpile",
    "needs",
]

Device = Literal["auto", "cpu", "cuda"]
Threads = Annotated[int, Between(1, 1024)]
Targets = Annotated[tuple[Projection, ...], axis(order=PROJECTIONS.index)]
Layers = Annotated[tuple[Annotated[int, Between(0, 10_000)], ...], axis()]


class Section(BaseModel):
    """A frozen group of keys that refuses unknown ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # to a type checker every section is complete

        def __getattr__(self, name: str) -> Any:
            """Answer for a key that a stage's settings were made without; see :func:`.schema.partial`."""
            if name not in type(self).model_fields:
                return super().__getattr__(name)
            raise AttributeError(
                f"this stage may not read {_prefix(type(self))}{name}; name it among its leaves in pipeline/*_stages.py"
            )


def _prefix(section: type[Section]) -> str:
    """What comes before a key of a section: its name, which is that of its class, and a point."""
    return "" if section.__name__ == "Settings" else f"{section.__name__.lower()}."


def needs(section: str, source: str, wanted: dict[str, Any], refused: dict[str, tuple[Any, str]]) -> None:
    """Raise for keys that a source needs and lacks, and for keys that it has no use for.

    Args:
        section: Name of the section.
        source: Its source.
        wanted: Key to value of those that must not be null.
        refused: Key to value and the sources that use it, of those that must be null.
    """
    lines = [
        f"{section}.{key}: {section} source {source} needs it; type {section}.{key}=…"
        for key, value in wanted.items()
        if value is None
    ]
    lines += [
        f"{section}.{key}={show(value)}: only used with {users}; leave it out, it is source {source} here"
        for key, (value, users) in refused.items()
        if value is not None
    ]
    if lines:
        raise ValueError("\n".join(lines))


class Model(Section):
    """Which language model."""

    name: Name = Field(description="Name of the model in tables, and of its variant when several are swept.")
    source: Literal["embedded", "hub", "local", "gguf", "random"] = Field(
        description="Where it comes from: a package, the Hugging Face hub, a folder, a GGUF file, or random weights."
    )
    id: HubId | None = Field(description="Hub id, ORG/NAME, with source hub; the package's name with source embedded.")
    revision: Revision | None = Field(description="Hub revision, best a commit hash of 40 digits; with source hub.")
    path: Path | None = Field(
        description="Model folder as transformers saves it, with source local; or a file, with source gguf."
    )
    seed: Annotated[int, Between(0, 2**32 - 1)] | None = Field(description="Seed of the weights; with source random.")
    dtype: Literal["float32", "bfloat16"] = Field(
        description="Precision of the weights; they are mapped from disk where the files have it. Blocks stay float32."
    )
    agree: bool = Field(description="Whether you accept the model's licence, where it has to be accepted first.")

    @model_validator(mode="after")
    def _check(self) -> Model:
        keys: dict[str, tuple[Any, str, str]] = {
            "id": (self.id, "embedded" if self.source == "embedded" else "hub", "model=hub"),
            "revision": (self.revision, "hub", "model=hub"),
            "path": (self.path, self.source if self.source == "gguf" else "local", "model=local or model=gguf"),
            "seed": (self.seed, "random", "model=tiny_random"),
        }
        wanted = {key: value for key, (value, source, _) in keys.items() if source == self.source}
        refused = {key: (value, users) for key, (value, source, users) in keys.items() if source != self.source}
        needs("model", self.source, wanted, refused)
        return self


class Data(Section):
    """Which text; calibration, training and test share none of it."""

    name: Name = Field(description="Name of the text in tables.")
    source: Literal["encyclopedia", "text", "wikitext2"] = Field(
        description="The embedded encyclopedia, UTF-8 text files, or WikiText-2 from the hub."
    )
    train: Paths = Field(
        description="Files, folders or globs of text to calibrate and train on, UTF-8 or JSON lines; with source text."
    )
    test: Paths = Field(description="The same to evaluate on; with source text.")
    separator: Pattern | None = Field(
        description="What stands between the documents of a file: blank_lines, form_feed, or a regular expression; "
        "null is one document a file; with source text."
    )
    field: Text = Field(description="Key of JSON lines that holds a document; with source text.")
    id: HubId | None = Field(description="Hub id of the dataset; with source wikitext2.")
    config: Name | None = Field(description="Configuration of the dataset on the hub; with source wikitext2.")
    revision: Revision | None = Field(description="Hub revision, best a commit hash; with source wikitext2.")
    window: Annotated[int, Between(8, 32768)] = Field(description="Tokens a window.")
    calibration_windows: Annotated[int, Between(1, 100_000)] = Field(description="Windows that calibrate compression.")

    @model_validator(mode="after")
    def _check(self) -> Data:
        files: dict[str, Any] = {"train": self.train, "test": self.test}
        hub: dict[str, Any] = {"id": self.id, "config": self.config, "revision": self.revision}
        wanted = {"text": files, "wikitext2": hub}.get(self.source, {})
        own = {} if self.source == "text" else files | {"separator": self.separator}
        refused = {key: (value, "data=text") for key, value in own.items()}
        if self.source != "wikitext2":
            refused |= {key: (value, "data=wikitext2") for key, value in hub.items()}
        needs("data", self.source, wanted, refused)
        return self


class Compress(Section):
    """How the model is compressed; how much is ``sweep.compression_ratio``."""

    method: Literal[("none", *METHODS)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("By what", METHODS, none="nothing is removed")
    )
    allocation: Literal["uniform", "sensitivity"] = Field(
        description="The same share of every projection, or more where the measured loss suffers less."
    )
    shape: Literal[tuple(SHAPES)] | None = Field(  # type: ignore[valid-type]  # of a table
        description="Widths that are given, with method=width; null is what sweep.compression_ratio asks for."
    )
    targets: Targets = Field(description="Projections to compress.")
    layers: Layers | None = Field(description="Decoder layers whose projections are compressed; null is all.")
    ridge: Annotated[float, Between(0, 1)] = Field(
        description="Added to the activations' second moments, relative to their mean diagonal."
    )
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")

    @model_validator(mode="after")
    def _check(self) -> Compress:
        able = [entry.name for entry in METHODS.values() if entry.shared]
        if self.allocation == "sensitivity" and self.method not in able:
            raise ValueError(
                f"compress.allocation=sensitivity: needs compress.method={' or '.join(able)}, not {self.method}; "
                "type compress.allocation=uniform"
            )
        pruned = self.method in METHODS and METHODS[self.method].structured
        if pruned and (apart := units_apart(self.targets)):
            raise ValueError(apart)
        if self.shape is not None and not pruned:
            raise ValueError(
                f"compress.shape={self.shape}: needs compress.method=width, not {self.method}; type compress.shape=null"
            )
        given = {"targets": list(PROJECTIONS), "layers": None, "allocation": "uniform"}
        for key, value in given.items() if self.shape is not None else ():
            if (found := getattr(self, key)) != (tuple(value) if isinstance(value, list) else value):
                raise ValueError(
                    f"compress.{key}={show(found)}: compress.shape={self.shape} is of the whole model; type "
                    f"compress.{key}={show(value)}"
                )
        return self


class Transpile(Section):
    """How blocks become circuits."""

    synthesis: Literal[tuple(SYNTHESES)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("How circuits follow their blocks", SYNTHESES)
    )
    noise_scale: Annotated[float, Between(0, 1000, above=True)] = Field(
        description="Noise scale that noise_aware circuits are made for."
    )
    compared_blocks: Annotated[int, Between(0, 1000)] = Field(
        description="Trained blocks of each cell that Qiskit synthesises, too, for circuits.csv, and random ones for "
        "synthesis=qiskit."
    )
    threads: Threads = Field(description="CPU threads of the job.")


class Track(Section):
    """Weights & Biases."""

    mode: Literal["offline", "online", "disabled"] = Field(description="Where runs are logged.")
    project: Name = Field(description="Project name.")
    entity: Name | None = Field(description="Team or user; null is the login's own.")
