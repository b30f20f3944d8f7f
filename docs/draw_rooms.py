"""Draw the rooms of the library and what each imports, as docs/images/rooms.svg.

    python docs/draw_rooms.py [FILE]

The floors are those of the layers contract in pyproject.toml, the arrows those that the code has. An arrow that only
repeats a way through other rooms is left out: so the picture changes when the house does, and not with every import.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "cayley_adapters"
WIDTH, HEIGHT, GAP, SIDE = 420, 34, 30, 110
"""Points: a floor's width and height, the space between floors, and beside the house for arrows that pass floors."""


def floors() -> list[list[str]]:
    """Rooms from the top floor down, as pyproject.toml states them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def imports() -> dict[str, set[str]]:
    """Room → the rooms that its modules import, in functions and for type checkers as well."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found: dict[str, set[str]] = {room: set() for floor in floors() for room in floor}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            room, other = (name.split(".")[1] if "." in name else "" for name in (module, imported))
            if room in found and other in found and room != other:
                found[room].add(other)
    return found


def shortened(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same without what is reached through another room."""

    def reached(room: str) -> set[str]:
        return found[room].union(*map(reached, found[room]))

    return {room: others - set().union(*map(reached, others)) for room, others in found.items()}


def draw(levels: list[list[str]], arrows: dict[str, set[str]]) -> str:
    """The picture: a floor is a row, and arrows that pass floors run outside the walls where they can."""
    boxes: dict[str, tuple[int, float, float]] = {}
    texts, behind, before = [], [], []
    for level, rooms in enumerate(levels):
        width = (WIDTH - 12 * (len(rooms) - 1)) / len(rooms)
        for place, room in enumerate(rooms):
            x, y = SIDE + place * (width + 12), 8 + level * (HEIGHT + GAP)
            boxes[room] = level, x, x + width
            texts += [
                f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{HEIGHT}" rx="3"/>',
                f'<text x="{x + width / 2:g}" y="{y + HEIGHT / 2 + 5:g}">{room}</text>',
            ]
    for room in boxes:
        for other in sorted(arrows[room], key=list(boxes).index):
            (level, left, right), (lower, left_other, right_other) = boxes[room], boxes[other]
            bottom, top = 8 + level * (HEIGHT + GAP) + HEIGHT, 8 + lower * (HEIGHT + GAP)
            walls = [
                wall for wall in (SIDE, SIDE + WIDTH) if wall in (left, right) and wall in (left_other, right_other)
            ]
            if lower > level + 1 and walls:
                wall, sign = walls[0], -1 if walls[0] == SIDE else 1
                bend, start, end = wall + sign * (20 + 14 * (lower - level)), bottom - 11, top + 11
                before.append(f'<path d="M{wall} {start}C{bend} {start} {bend} {end} {wall + 2 * sign} {end}"/>')
                continue
            x, x_other = (left + right) / 2, (left_other + right_other) / 2
            if (right - left) > (right_other - left_other):
                x = x_other
            elif (right - left) < (right_other - left_other):
                x_other = x
            elif x != x_other:  # beside the arrow that comes straight from above
                x_other += 40 if x > x_other else -40
            (before if lower == level + 1 else behind).append(f'<path d="M{x:g} {bottom}L{x_other:g} {top - 2}"/>')
    lines = [*behind, *texts, *before]
    height = 16 + len(levels) * (HEIGHT + GAP) - GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * SIDE} {height}" role="img" '
            'aria-label="The rooms of the library, floor over floor; arrows show what each imports.">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#222;stroke:none"/></marker></defs>',
            "<style>rect{fill:#f2f2f2;stroke:#222;stroke-width:1.2}text{font:600 14px sans-serif;text-anchor:middle;"
            "fill:#111}path{fill:none;stroke:#222;stroke-width:1.3;marker-end:url(#tip)}marker path{marker-end:none}"
            "</style>",
            f'<rect x="0" y="0" width="{WIDTH + 2 * SIDE}" height="{height}" style="fill:#fff;stroke:none"/>',
            *lines,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "rooms.svg"
    target.write_text(draw(floors(), shortened(imports())), encoding="utf-8")
