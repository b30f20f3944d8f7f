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

A list is written `key=[a,b]`.

## Several values

`key=a,b`, `key=range(10,40,10)` and `group=a,b` sweep, as in Hydra. The four axes of `sweep` span one map
(`sweep.block_dim=2,4`). Any other key or group makes variants of the run, each a map of its own in
`results/{run}/{variant}/`:

```
snakemake --cores 8 phase_diagram --config overrides="noise=fake_fez,fake_boston train.steps=20,40 run=twice"
```

makes four, the first key slowest: `fake_fez-steps20`, `fake_fez-steps40`, `fake_boston-steps20`, `fake_boston-steps40`.
A variant is named after what it has of its own: an option stands for itself, a value follows the last part of its key
(the whole key where two end alike), a list is joined by `+`, a swept model's name comes first. A hash follows where two
names would be the same, or one too long. What variants have in common is computed once.

Brackets hold one value: `train.targets=[v_proj],[v_proj,o_proj]` are two. Several `model.path` go with `model=local`,
several `model.id` with `model=hub`, and as many `model.revision` go in step with them. A run has 256 variants at most.
`run`, `store`, `replace`, `track`, the size and names of `levers` and the experiment are the same for all of them.

A preset may name variants, as `experiment=devices` does, under the key `variants`, which is found in presets only:

```
variants:
  - name: fake_fez
    title: FakeFez (Heron r2)
    overrides: [noise=fake_fez]
```

The title, which comparisons show, and the overrides may be left out. What is typed wins over a variant's overrides, and
what is swept is combined with each variant, whose name then comes first.
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
