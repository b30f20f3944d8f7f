"""Where the files of a run lie: configuration, workflow and profiles, in a checkout or as the package brings them."""

from __future__ import annotations

from pathlib import Path

from cayley_adapters.core.errors import CayleyError

__all__ = ["RUN_FILES", "run_files"]

RUN_FILES = ("Snakefile", "conf", "profiles", "workflow")
"""What a checkout has at its top, and an installed package within itself."""

_PACKAGE = Path(__file__).resolve().parents[1]


def run_files() -> Path:
    """The folder with all of :data:`RUN_FILES`.

    That is the checkout which this library runs from, or in which one works with an installed one; else what the
    installation brought. A folder ``conf`` of something else is never taken, wherever one works.

    Returns:
        Its absolute path.

    Raises:
        CayleyError: there is none, since the installation is not whole.
    """
    for folder in (_PACKAGE.parents[1], Path.cwd()):
        if _is_checkout(folder):
            return folder
    brought = _PACKAGE / "run_files"
    if not (brought / "conf" / "config.yaml").is_file():
        raise CayleyError(
            f"no configuration: config.yaml is not in {brought / 'conf'}, where an installation has it; install "
            "cayley-adapters again, or run from the root of the repository"
        )
    return brought


def _is_checkout(folder: Path) -> bool:
    return (folder / "src" / _PACKAGE.name).is_dir() and (folder / "conf" / "config.yaml").is_file()
