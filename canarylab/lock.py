"""Locks between runs. The kernel holds them, so a dead holder's is free at once."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from canarylab.cancel import Cancel
from canarylab.errors import LockedError
from canarylab.paths import make_home

_PAUSE = 0.2
"""Seconds between two tries: a file lock can't be waited for and cancelled at once."""


@contextmanager
def locked(path: Path, command: str) -> Iterator[None]:
    """Hold the profile's lock. Raises LockedError with who holds it and since when."""
    make_home(path.parent)
    with _acquire(path) as file:
        file.truncate(0)
        json.dump({"pid": os.getpid(), "command": command, "since": time.time()}, file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _acquire(path: Path) -> IO[str]:
    """Open and lock the file. Its former holder deletes it, so the file that was locked may not be the one there."""
    while True:
        try:
            file = path.open("a+")
        except FileNotFoundError:  # a teardown deleted the folder that it left empty
            make_home(path.parent)
            continue
        if not _try(file):
            file.close()
            raise _held(path)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def _held(path: Path) -> LockedError:
    try:
        holder = json.loads(path.read_text())
        since = datetime.fromtimestamp(holder["since"]).strftime("%H:%M:%S")
        who = f"`invoke {holder['command']}` (process {holder['pid']}) since {since}"
    except (OSError, ValueError, KeyError):
        who = "another run that has just started"
    return LockedError(
        f"this profile is held by {who}", where=str(path), remedy="wait for it to end, or stop it with Ctrl-C there"
    )


@contextmanager
def queued(path: Path, cancel: Cancel, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that others let go of soon; `waiting` is called once if it isn't free at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if not _try(file):
            waiting()
            while not _try(file):
                cancel.sleep(_PAUSE)
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds such a lock at this moment."""
    if not path.exists():
        return False
    with path.open("a") as file:
        return not _try(file)


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
