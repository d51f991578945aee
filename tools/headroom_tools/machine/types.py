"""machine.json, version 1, as schemas/machine-1.json of the record room has it."""

from __future__ import annotations

from typing import TypedDict


class Cache(TypedDict):
    """One of the first core's caches."""

    level: int | None
    kind: str | None
    bytes: int | None
    line_bytes: int | None
    shared_by: int | None


class CoreKind(TypedDict):
    """Cores of one kind. name: None where only their caches tell them from the others.

    one_thread_runs_here: whether a launch of one thread was pinned to one of these.
    """

    name: str | None
    cores: int
    threads: int
    max_mhz: int | None
    caches: list[Cache]
    one_thread_runs_here: bool


class _Kinds(TypedDict, total=False):
    kinds: list[CoreKind]  # only where there are several


class Cpu(_Kinds):
    """The CPU, and how it is set. Of several kinds of cores the caches, the clock and the model are
    those on which one thread is measured."""

    architecture: str | None
    vendor: str | None
    model_name: str | None
    family: int | None
    model: int | None
    stepping: int | None
    microarchitecture: str | None
    microcode: str | None
    sockets: int | None
    cores: int | None
    threads: int | None
    smt: bool | None
    isa: list[str]
    caches: list[Cache]
    governor: str | None
    boost: bool | None
    max_mhz: int | None
    mitigations: dict[str, str | None]
    numa_nodes: int | None


class Ram(TypedDict):
    """The memory; what only root is told is null for others."""

    bytes: int | None
    type: str | None
    mega_transfers: int | None
    modules: int | None
    channels: int | None


class Disk(TypedDict):
    """The disk that holds the scratch folder."""

    file_system: str | None
    kind: str | None
    bus: str | None
    model: str | None
    bytes: int | None
    scheduler: str | None
    write_cache: str | None  # "write back" or "write through"; older records don't have it


class Allowed(TypedDict):
    """What the process could use of the machine: how many of its CPUs, how many CPUs' time, bytes
    of memory; None: as much as there is."""

    cpus: int | None
    cpu_quota: float | None
    memory_bytes: int | None


class _MachineOfAll(TypedDict):

    format: str
    version: int
    slug: str
    cpu: Cpu
    ram: Ram
    disk: Disk
    virtualization: str | None
    system: str | None
    kernel: str | None
    transparent_huge_pages: str | None


class Machine(_MachineOfAll, total=False):
    """A fingerprint. allowed: where less than the machine could be used."""

    allowed: Allowed
