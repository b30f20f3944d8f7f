"""The configuration reference, written from the schema and the presets, so that it cannot disagree with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cayley_adapters.settings.compose import compose, find_conf_dir
from cayley_adapters.settings.fields import PROJECTIONS
from cayley_adapters.settings.schema import fields

__all__ = ["reference"]

_HEAD = """# Configuration reference

Made by `cayley config --reference` from the schema; a test keeps it in step. Every key can be overridden, in the
workflow and on the command line alike:

```
snakemake --cores 8 phase_diagram --config experiment=quickstart overrides="train.steps=40 sweep.block_dim=2,4 run=mine"
cayley train experiment=quickstart train.steps=40 sweep.block_dim=2,4 run=mine
```

A list is written `key=[a,b]`. The axes of `sweep` and `model` also take Hydra's sweep grammar (`sweep.block_dim=2,4`,
`range(…)`); sweeping the model makes one map a model.
"""


def reference(conf_dir: Path | None = None) -> str:
    """Return the reference as Markdown: presets, options of each group, and every key with its default and meaning."""
    conf = find_conf_dir(conf_dir)
    (default,) = compose(conf_dir=conf)
    lines = [_HEAD, "## Presets and groups", "", "| group | options |", "|---|---|"]
    for group in sorted(path.name for path in conf.iterdir() if path.is_dir()):
        options = ", ".join(f"`{path.stem}`" for path in sorted((conf / group).glob("*.yaml")))
        lines.append(f"| `{group}` | {options} |")
    lines += [
        "",
        "## Keys",
        "",
        "Defaults are those of `experiment=quickstart`. Projections: " + ", ".join(PROJECTIONS) + ".",
    ]
    lines += ["", "| key | default | meaning |", "|---|---|---|"]
    for key, field in fields().items():
        lines.append(f"| `{key}` | `{_show(default.leaf(key))}` | {field.description} |")
    return "\n".join(lines) + "\n"


def _show(value: Any) -> str:
    if value is None:
        return "null"
    return "[" + ", ".join(map(_show, value)) + "]" if isinstance(value, list) else f"{value}"
