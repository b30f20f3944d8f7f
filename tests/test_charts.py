"""The interactive map is the same in every process."""

from __future__ import annotations

import json

from map_tables import small_map

from cayley_adapters.charts import phase_diagram_chart


def test_no_view_is_named_by_where_objects_lie_in_memory():
    drawn = phase_diagram_chart(*small_map()).to_dict()
    [picked] = drawn["params"]
    assert picked["views"] == ["curves_0"]
    assert '"view_' not in json.dumps(drawn)
