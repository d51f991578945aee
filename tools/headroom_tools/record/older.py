"""Older records, read as what is written now: what they lack is null, or empty."""

from __future__ import annotations

from typing import Any, cast

from headroom_tools.record.types import TIME, Run

# What variants of version 1 guaranteed less than their baselines: the records don't say, only the
# kernels did, and a variant that promises less must not pass for the best of its ladder.
_LACKED = {
    "computation/branch": {"sorted_input": "ordered"},
    "computation/dispatch": {"sorted_by_type": "ordered", "array_per_type": "ordered"},
    "computation/json_sum": {
        "simdjson_ondemand": "validating", "by_hand": "validating", "highway": "validating",
    },
    "database/insert": {
        "sync_off": "durable", "wal": "durable", "multi_row_wal": "durable",
        "virtual_table_wal": "durable",
    },
    "simd/hex_decode": {"absl": "validating"},
}  # fmt: skip


def _kernel(old: dict[str, Any]) -> dict[str, Any]:
    lacked = _LACKED.get(old["name"], {})
    variants: list[dict[str, Any]] = [
        {
            **variant,
            "promise": None,
            "lacks": [lacked[variant["name"]]] if variant["name"] in lacked else [],
            "promise_note": "",
        }
        for variant in old["variants"]
    ]
    return {
        **old, "measure": TIME, "promise": None, "fixtures": [], "params": {}, "variants": variants
    }  # fmt: skip


def _coordinates(old: dict[str, Any]) -> dict[str, Any]:
    """An entry of `missing`, `left_out` or `failures`, which may be of a ladder or of none."""
    return {**old, "params": None if old["n"] is None else {}}


def _launches(old: dict[str, Any]) -> dict[str, Any]:
    """The table with the columns that records had not always."""
    nothing = [None] * len(old["kernel"])
    return {**dict.fromkeys(("sentinel", "sentinel_min", "slow_rounds", "cause"), nothing), **old}


def completed(old: dict[str, Any]) -> Run:
    """A valid tree of version 2 with what those from before the sentinel lack."""
    return cast(Run, {**old, "launches": _launches(old["launches"])})


def as_now(old: dict[str, Any]) -> Run:
    """A valid tree of version 1 with the fields of version 2; its `version` stays."""
    ladders, cells, launches = old["ladders"], old["cells"], old["launches"]
    nothing = [None] * len(cells["ladder"])
    entries = {
        name: [_coordinates(entry) for entry in old[name]]
        for name in ("missing", "left_out", "failures")
    }
    return cast(Run, {
        **old,
        **entries,
        "kernels": [_kernel(kernel) for kernel in old["kernels"]],
        "ladders": {**ladders, "params": [{}] * len(ladders["kernel"])},
        "cells": {**cells, "value": nothing, "build_ns": nothing},
        "launches": _launches({**launches, "start": [None] * len(launches["kernel"])}),
        "failed": [],
        "fixtures": [],
    })  # fmt: skip
