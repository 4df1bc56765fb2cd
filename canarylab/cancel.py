"""One flag that ends everything that waits, and the wait that looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from canarylab.errors import CancelledError


class Cancel:
    """Set once, by Ctrl-C or by a failure that makes the rest pointless; calls back whoever must be woken."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: set[Callable[[], None]] = set()
        self._lock = threading.RLock()  # a signal handler may come in while the same thread holds it

    def set(self) -> None:
        self._event.set()
        with self._lock:
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError once the run was interrupted."""
        if self.is_set:
            raise CancelledError("interrupted")

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when set; the returned function takes that back."""
        with self._lock:
            self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    def sleep(self, seconds: float) -> None:
        self._event.wait(seconds)
        self.check()


def wait_until(
    ready: Callable[[], bool],
    *,
    deadline: float,
    cancel: Cancel,
    interval: float = 0.05,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Wait for something on this machine that can't be watched, such as a socket that answers; False at the deadline.

    `deadline` is a point of `clock` in seconds. For objects of the cluster there is `Cluster.wait`, which watches.
    """
    while not ready():
        cancel.check()
        if clock() >= deadline:
            return False
        cancel.sleep(interval)
    return True
