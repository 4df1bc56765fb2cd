"""One flag that ends everything that waits, and the wait that looks at it."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

from canarylab.errors import CancelledError


class Cancel:
    """Set once, by Ctrl-C or by a failure that makes the rest pointless; calls back whoever must be woken."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def set(self) -> None:
        """Cancel, and call back all that subscribed; again is no error."""
        with self._lock:
            self._event.set()
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    def set_from_signal(self) -> None:
        """Set it soon, in a thread of its own: the code that a signal interrupted may hold any lock there is.

        (`threading.Thread` takes one itself to start.)
        """
        _thread.start_new_thread(self.set, ())

    @property
    def is_set(self) -> bool:
        """Whether the run was interrupted."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError once the run was interrupted."""
        if self.is_set:
            raise CancelledError("interrupted")

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when set, at once if it is already; the returned function takes that back."""
        with self._lock:
            is_set = self.is_set
            if not is_set:
                self._callbacks.add(callback)
        if is_set:
            callback()
        return lambda: self._callbacks.discard(callback)

    def now(self) -> float:
        """The clock that waits go by, in seconds. A test hands over one on which hours pass at once."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds. Raises CancelledError as soon as the run is interrupted."""
        self._event.wait(seconds)
        self.check()

    def sleep_unless(self, over: threading.Event, seconds: float) -> bool:
        """Wait for that many seconds, or until `over` is set: whether it is."""
        return over.wait(seconds)


def wait_until(
    ready: Callable[[], bool],
    *,
    deadline: float,
    cancel: Cancel,
    interval: float = 0.05,
) -> bool:
    """Wait for something on this machine that can't be watched, such as a socket that answers; False at the deadline.

    `deadline` is a point of `cancel.now()`. For objects of the cluster there is `Cluster.wait`, which watches.
    """
    while not ready():
        cancel.check()
        if cancel.now() >= deadline:
            return False
        cancel.sleep(interval)
    return True
