"""Figures as PNG and SVG, all in one style, and charts as single HTML files that work without a network."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.files import atomic_file, write_file

if TYPE_CHECKING:
    import altair as alt
    from matplotlib.figure import Figure

__all__ = ["canvas", "chart_json", "save_figure", "save_html", "vega_script"]

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff }}
#chart {{ display: block; overflow-x: auto }}
#chart svg.marks {{ display: block; width: 100%; min-width: 56rem; height: auto }}</style>
<script>{script}</script>
</head>
<body>
<div id="chart"></div>
<script>
const actions = {{export: true, source: false, compiled: false, editor: false}};
const options = {{mode: "vega-lite", renderer: "svg", actions}};
vegaEmbed("#chart", {spec}, options)
  .catch(error => {{ document.getElementById("chart").textContent = "The chart failed: " + error; }});
</script>
</body>
</html>
"""


def save_html(chart: alt.TopLevelMixin, path: Path | str, title: str = "Phase diagram") -> None:
    """Write a chart as one HTML file of about 0.9 MB with its scripts inside, for use offline.

    ``<`` in the chart's text is written as an escape, so that no name can end the script or add an element.

    Args:
        chart: any Altair chart.
        path: where to; the file appears whole or not at all.
        title: of the page.
    """
    page = _PAGE.format(title=html.escape(title), script=vega_script(), spec=chart_json(chart))
    write_file(path, page)


def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script of about 0.9 MB that defines ``vegaEmbed``."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]  # the snippet may be left out


def chart_json(chart: alt.TopLevelMixin) -> str:
    """A chart's specification as JSON that may stand in a script element, whatever its texts hold."""
    return json.dumps(chart.to_dict(), allow_nan=False).replace("<", "\\u003c")


@contextmanager
def canvas(width: float, height: float, more: dict[Any, Any] | None = None) -> Iterator[Figure]:
    """An empty figure of so many inches, in the style of all figures, with ``more`` of Matplotlib's options."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 7.5, "axes.linewidth": 0.6, **(more or {})}):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        yield figure


def save_figure(figure: Figure, png: Path | str, svg: Path | str) -> None:
    """Write a figure as PNG (300 dots an inch) and SVG; the same figure gives the same bytes, without dates.

    Args:
        figure: a figure of matplotlib.
        png, svg: where to; folders are made, and a file appears whole or not at all.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "cayley-adapters", "svg.fonttype": "path"}):
        with atomic_file(png) as temporary:
            figure.savefig(temporary, format="png", dpi=300, metadata={"Software": None})
        with atomic_file(svg) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
