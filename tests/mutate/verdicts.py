"""What a test that ran says: with a bug whether it was caught, without any whether it can be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from bugs import Test


class Outcome(NamedTuple):
    verdict: str  # caught, SURVIVED, ERROR or not tried
    detail: str


class Proof(NamedTuple):
    """How a test went without any bug: passed, FAILED, or not tried, on a machine without what it
    needs (io_uring, a server)."""

    verdict: str
    took_s: float
    said: str


def by_test(tests: list[Test], told: Path) -> dict[Test, Proof]:
    """What pytest's report says of each test: all its cases ran, and passed."""
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(told).iter("testcase"):
        node = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
        for key in {node, node.partition("[")[0]}:
            cases.setdefault(key, []).append(case)
    found = {}
    for test in tests:
        own = cases.get(test.name, [])
        took = sum(float(case.get("time", 0)) for case in own)
        bad = [why for case in own for kind in ("failure", "error")
               if (why := case.find(kind)) is not None]  # fmt: skip
        skipped = [why for case in own if (why := case.find("skipped")) is not None]
        if bad or not own:
            said = (bad[0].text or "") if bad else "it did not run"
            found[test] = Proof("FAILED", took, tail(said))
        elif skipped:
            found[test] = Proof("not tried", took, skipped[0].get("message", ""))
        else:
            found[test] = Proof("passed", took, "")
    return found


def passed(test: Test, status: int | None, out: str) -> bool:
    if status != 0:
        return False
    if test.kind != "pytest":  # 2.13 ends with 0 where there is no such test
        return "All tests passed" in out
    return bool(re.search(r"\b[1-9][0-9]* passed", out)) and not re.search(r"[1-9] skipped", out)


def verdict(test: Test, status: int | None, out: str) -> Outcome:
    """What a test says about a bug."""
    if passed(test, status, out):
        return Outcome("SURVIVED", f"{test} passes")
    if status is None:
        return Outcome("caught", "did not end")
    if test.kind == "pytest":
        # 1: tests failed. What else there is means that none ran.
        if status == 1 and re.search(r"\b[1-9][0-9]* (failed|error)", out):
            return Outcome("caught", "")
        return Outcome("ERROR", f"{test} did not run (status {status}):\n{tail(out)}")
    if "No test cases matched" in out or "No tests ran" in out or status == 0:
        return Outcome("ERROR", f"{test}: no such test, or it was skipped")
    return Outcome("caught", "crashed" if status < 0 else "")


def tail(text: str, lines: int = 15) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])
