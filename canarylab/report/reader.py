"""The contract of a reader of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from canarylab.events import Event


class Reader(ABC):
    """Takes every event of a run, one at a time. Leaving it as a context manager restores the terminal."""

    @abstractmethod
    def __call__(self, event: Event) -> None: ...

    def close(self) -> None:
        """The run is over, whichever way it ended."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
