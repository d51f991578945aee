"""Tells how a run goes: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from headroom_tools.base.text import duration, safe


class Reporter:
    """Progress of one run. The bar is redrawn between launches, and once a second within one:
    drawing takes time on a core that may be measured."""

    def __init__(self, console: Console):
        self._console = console
        self._bar: Progress | None = None
        self._task = None
        self._drawn = 0.0
        self._began = time.monotonic()

    def line(self, text: str, style: str = "") -> None:
        """Prints one line, above the bar where there is one."""
        self._console.print(Text(safe(text, 1000), style=style), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Prints one line that should not be missed."""
        self.line(f"! {text}", "yellow")

    def error(self, text: str) -> None:
        """Prints one line that must not be missed."""
        self.line(f"!! {text}", "bold red")

    def __enter__(self) -> "Reporter":
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=36),
                TextColumn("{task.percentage:>3.0f}%", markup=False),
                TextColumn("{task.fields[left]}", markup=False, style="cyan"),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=1.0, left="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, what: str, done: float, left_s: float | None) -> None:
        """what: e.g. `pass 3/10 simd/sum`. done: share of the run. left_s: None while unknown."""
        if self._bar is None:
            return
        left = "" if left_s is None else f"{duration(left_s)} left"
        self._bar.update(
            self._task, description=f"{safe(what, 44):<44}", completed=min(1.0, done), left=left
        )
        self._bar.refresh()
        self._drawn = time.monotonic()

    def tick(self, left_s: float | None) -> None:
        """Called about once a second while a launch runs."""
        if self._bar is None or left_s is None or time.monotonic() - self._drawn < 1:
            return
        self._bar.update(self._task, left=f"{duration(left_s)} left")
        self._bar.refresh()
        self._drawn = time.monotonic()

    def stage(self, text: str) -> None:
        """A line that only makes sense where there is no bar."""
        if self._bar is None:
            self.line(text)
