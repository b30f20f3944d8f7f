"""Fill the numbers of README and docs from the tables under docs/data, so that none is typed by hand.

python docs/write_numbers.py

A block stands between `<!-- numbers: NAME -->` and `<!-- end of numbers -->`. docs/number_blocks.py says what each name
stands for, and which files it is made of. A block whose files are missing stays as it is, and that is said.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import number_claims  # noqa: F401 - registers its block
import number_panel  # noqa: F401 - registers its blocks
from number_blocks import BLOCKS, MissingFileError

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data"
_BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n)(.*?)(<!-- end of numbers -->)", re.S)
_MARK = re.compile(r"<!-- (?:numbers: .*?|end of numbers) -->")


def pages(root: Path = ROOT) -> list[Path]:
    """README and the pages of the site."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def fill(text: str, data: Path = DATA) -> tuple[str, dict[str, str]]:
    """A page's text with its blocks filled.

    Args:
        text: of the page.
        data: folder of the folders of tables.

    Returns:
        The text, and the names of blocks that stay as they are with what they lack.

    Raises:
        ValueError: a block has a name that stands for nothing, no beginning or no end.
    """
    if 2 * len(_BLOCK.findall(text)) != len(_MARK.findall(text)):
        raise ValueError("each <!-- numbers: NAME --> needs its <!-- end of numbers -->, each on a line of its own")
    left: dict[str, str] = {}

    def filled(match: re.Match[str]) -> str:
        start, name, _, end = match.groups()
        if name not in BLOCKS:
            raise ValueError(f"no numbers are called {name}; there are {', '.join(sorted(BLOCKS))}")
        try:
            return f"{start}{BLOCKS[name](data)}\n{end}"
        except MissingFileError as error:
            left[name] = str(error)
            return match.group()

    return _BLOCK.sub(filled, text), left


def main() -> None:
    """Rewrite the pages whose numbers have changed."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        new, left = fill(text)
        for name, lacking in left.items():
            print(f"{path.relative_to(ROOT)}: {name} stays as it is: {lacking}", file=sys.stderr)
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
