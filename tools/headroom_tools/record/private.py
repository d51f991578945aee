"""What a record must not say: who measured it, where, or on which very box.

`headroom run` writes an allow-list; this is the second look before a record is published, and the
first at one that comes from a stranger.
"""

from __future__ import annotations

import getpass
import re
import socket
from typing import Iterator

from headroom_tools.record.types import Run

# The system's own interfaces are the same for everyone: /proc/sys/kernel/... names nobody.
_PATH = r"(?<![\w.:/])~?/(?!(?:proc|sys|dev)\b)[A-Za-z_.~][^\s:;,'\"()]*|\b[A-Za-z]:\\\w"
_TOP_LEVELS = (
    "com|net|org|edu|gov|mil|info|biz|io|dev|app|cloud|local|lan|home|internal|intranet|corp|"
    "localdomain|arpa|eu|us|uk|de|fr|nl|ch|at|it|es|pl|se|no|ru|cn|jp|kr|in|br|au|ca"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_FOUR_OCTETS = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_KINDS = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (
        ("an e-mail address", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("a path", _PATH),
        ("a hardware address", r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b"),
        ("a network address", rf"(?<![\w.])(?!127\.|0\.0\.0\.0){_FOUR_OCTETS}(?![\w.])"),
        ("a network address", r"\bfe80::|\b(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{1,4}\b"),
        ("a host name", rf"\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:{_TOP_LEVELS})\b(?![.(])"),
        ("a UUID", r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"),
        ("a serial number", r"\b(?:serial|s/n)\b\W{0,3}(?:no\.?|number)?\W{0,3}[A-Z-]*\d[\w-]{3,}"),
        ("a serial number", r"\b(?:wwn|eui|naa)[.-](?:0x)?[0-9a-f]{8,}|\b0x5[0-9a-f]{15}\b"),
        ("an identifier", r"\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{16,}\b"),
    )
)
_OWN_PATTERN = {"commit", "source_hash", "started", "finished"}  # the schema allows nothing private
_DOTTED = {"compiler", "kernel"}  # versions of four numbers look like addresses
_COMMON = {"localhost", "debian", "ubuntu", "fedora", "linux", "nobody", "admin", "build", "runner"}


def texts(tree: object, field: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of every text in a record, also of the keys that a record may choose."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in _OWN_PATTERN:
                yield from texts(value, f"{field}.{key}" if field else key)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            if not isinstance(value, (int, float, type(None))):
                yield from texts(value, f"{field}[{index}]")
    elif isinstance(tree, str):
        yield field, tree


def found(tree: object) -> tuple[str, str] | None:
    """(field, what it holds) of the first text that names a person, a place or a very box."""
    for field, text in texts(tree):
        versions = field.startswith("libraries.") or field.rpartition(".")[2] in _DOTTED
        for kind, pattern in _KINDS:
            if not (versions and kind == "a network address") and pattern.search(text):
                return field, kind
    return None


def own_names() -> list[tuple[str, str]]:
    """(what it is, name) of this computer and user, where the names are no common words."""
    names = []
    try:
        names.append(("this computer's host name", socket.gethostname().split(".")[0]))
        names.append(("your user name", getpass.getuser()))
    except (OSError, KeyError, ImportError):
        pass
    return [(what, name) for what, name in names if len(name) > 4 and name.lower() not in _COMMON]


def own_found(run: Run, hardware: str) -> tuple[str, str] | None:
    """(field, what it holds) where a run names the computer or the user that checks it."""
    free = {
        "machine": run["machine"],
        "label": run["label"],
        "notes": run["notes"],
        "failures": run["failures"],
        "missing": run["missing"],
    }
    return own_words(free, hardware)


def own_words(free: object, hardware: str) -> tuple[str, str] | None:
    """(field, what it holds) where texts name the computer or the user that checks them.

    hardware: the slug that the hardware alone gives; words of it name nobody.
    """
    known = set(hardware.lower().split("-"))
    for what, name in own_names():
        word = re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", re.I)
        for field, text in texts(free) if name.lower() not in known else ():
            if word.search(text):
                return field, what
    return None
