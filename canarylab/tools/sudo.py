"""sudo: whether it works without a question, and a password kept while something still needs it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError
from canarylab.tools.runner import Result, Runner

TIMEOUT = 30.0
_REFRESH_SECONDS = 60.0
"""sudo forgets a password after 5 minutes; less than a minute is rarely set."""


def is_root() -> bool:
    """Whether this process needs no sudo."""
    return os.geteuid() == 0


def allowed(runner: Runner) -> bool:
    """Whether commands can be run as root now without asking anybody."""
    if is_root():
        return True
    if shutil.which("sudo") is None:
        return False
    return runner.run(["sudo", "-n", "true"], timeout=TIMEOUT, ok=range(256)).code == 0


def run(runner: Runner, argv: Sequence[str], timeout: float = TIMEOUT) -> Result:
    """Run it as root, without a question, which would hang unseen. Raises CommandError where it fails or mustn't."""
    return runner.run(argv if is_root() else ["sudo", "-n", *argv], timeout=timeout)


def ask(runner: Runner, purpose: str) -> bool:
    """Ask for the password on the terminal; whether it was given."""
    return runner.attended(["sudo", "-v", "-p", f"[sudo] password of %p, for {purpose}: "]) == 0


@contextmanager
def kept_alive(runner: Runner, cancel: Cancel, is_needed: Callable[[], object] = lambda: True) -> Iterator[None]:
    """Keep sudo from forgetting the password meanwhile, until nothing needs it any more."""
    over = threading.Event()
    threading.Thread(target=_refresh, args=(runner, cancel, is_needed, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _refresh(runner: Runner, cancel: Cancel, is_needed: Callable[[], object], over: threading.Event) -> None:
    while not cancel.sleep_unless(over, _REFRESH_SECONDS):
        try:
            if not _may_be(is_needed):
                return
            runner.run(["sudo", "-n", "-v"], timeout=TIMEOUT)
        except CanarylabError:  # cancelled, or refused: whoever needs root next says so
            return


def _may_be(is_needed: Callable[[], object]) -> object:
    """A look that fails, such as at a program that took too long, doesn't say that nothing needs it."""
    try:
        return is_needed()
    except (CanarylabError, OSError):
        return True
