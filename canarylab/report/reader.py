"""The contract of a reader of events."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager

from canarylab.events import Event


class Reader(AbstractContextManager["Reader"]):
    """Takes every event of a run, one at a time. Leaving it as a context manager restores the terminal."""

    @abstractmethod
    def __call__(self, event: Event) -> None: ...

    def close(self) -> None:
        """The run is over, whichever way it ended."""
        return

    def __exit__(self, *_: object) -> None:
        self.close()
