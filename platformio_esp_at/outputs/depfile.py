"""A depfile: the inputs of a file, in the syntax of make, so that a build tool knows when to rebuild it.

Source of the format: the manual of ninja, "Depfiles", and what CMake reads of it (``cmake_transform_depfile``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def format_depfile(output: Path, inputs: Iterable[Path]) -> str:
    """Return the depfile with the rule: ``output`` is made from ``inputs``."""
    return " \\\n  ".join([f"{_escaped(output)}:", *map(_escaped, inputs)]) + "\n"


def _escaped(path: Path) -> str:
    text = path.as_posix().replace("$", "$$")
    return "".join(f"\\{char}" if char in " #" else char for char in text)
