"""Files of a results folder as a later stage reads them: whole, or one sentence that says which one to make anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["damaged", "load_arrays", "load_json"]


def damaged(path: Path | str, what: object) -> CayleyError:
    """Return the error about a file that is not what a stage of this program wrote."""
    return CayleyError(f"cannot read {path}: {what}; delete it and run the same command again")


def load_json(path: Path | str, *keys: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        *keys: what it must have.

    Raises:
        CayleyError: it is missing, no JSON object, or lacks a key.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if not isinstance(found, dict):
        raise damaged(path, f"it holds {type(found).__name__} where an object with keys is needed")
    if missing := [key for key in keys if key not in found]:
        raise damaged(path, f"it has no {', '.join(missing)}")
    return found


def load_arrays(path: Path | str, *names: str) -> list[np.ndarray]:
    """Read arrays of a safetensors file.

    Args:
        path: the file.
        *names: the arrays' names.

    Returns:
        The arrays, in that order.

    Raises:
        CayleyError: it is missing, no safetensors file, or lacks an array.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return [file.get_tensor(name) for name in names]
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise damaged(path, error) from error
