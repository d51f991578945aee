"""Files of samples: a line of JSON each, the first one of what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of `file`; a last one that was cut off is left out. HeadroomError for a damaged one
    before it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise HeadroomError(f"{safe(file)}: cannot be read: {reason}") from None
    for number, line in enumerate(lines):
        try:
            tree = json.loads(line)
        except ValueError:
            if number + 1 == len(lines):
                return
            raise HeadroomError(f"{safe(file)}: line {number + 1} is damaged", 1) from None
        if not isinstance(tree, dict):
            raise HeadroomError(f"{safe(file)}: line {number + 1} is damaged", 1)
        yield tree
