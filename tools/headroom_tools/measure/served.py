"""What a catalogue would be with the servers that a run would start."""

from __future__ import annotations

import copy

from headroom_tools.fixtures.held import started_for
from headroom_tools.measure.types import Catalogue


def expected(catalogue: Catalogue) -> Catalogue:
    """The catalogue as a run would have it.

    A fixture meets the needs whose names begin with its own.
    """
    starts = set(started_for(catalogue["kernels"]))
    tree = copy.deepcopy(catalogue)
    for kernel in tree["kernels"]:
        ours = starts.intersection(kernel["fixtures"])
        for variant in kernel["variants"]:
            met = [need for need in variant["needs"] if need["name"].split(" ")[0] in ours]
            for need in met:
                need["available"] = True
            if met and all(need["available"] for need in variant["needs"]):
                variant["available"] = True
    return tree
