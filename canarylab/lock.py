"""Locks between runs. The kernel holds them, so a dead holder's is free at once."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from canarylab.cancel import Cancel
from canarylab.errors import LockedError
from canarylab.files import NO_ROOM, existing_parent
from canarylab.paths import make_home

_PAUSE = 0.2
"""Seconds between two tries: a file lock can't be waited for and cancelled at once."""


@contextmanager
def locked(path: Path, command: str) -> Iterator[None]:
    """Hold the profile's lock. Raises LockedError with who holds it and since when."""
    descriptor = _acquire(path)
    try:
        holder = {"pid": os.getpid(), "command": command, "since": time.time()}
        with suppress(OSError):  # without room it is held all the same, and only doesn't say by whom
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(holder).encode())
        yield
    finally:
        with suppress(OSError):  # the disk may be read-only since
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    """Open and lock the file. Its former holder deletes it, so the file that was locked may not be the one there."""
    while True:
        try:
            make_home(path.parent)  # maybe again: a teardown deletes the folder that it left empty
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (*NO_ROOM, errno.EROFS):
                raise
            # A teardown must run on a full disk, too: there the folder serves as the file that can't be made.
            descriptor = os.open(existing_parent(path.parent), os.O_RDONLY)
        if not _try(descriptor):
            os.close(descriptor)
            raise _held(path)
        if _is_current(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_current(path: Path, descriptor: int) -> bool:
    """Whether this is the file that others would lock now, or a folder, which nobody deletes meanwhile."""
    status = os.fstat(descriptor)
    try:
        return stat.S_ISDIR(status.st_mode) or os.path.samestat(path.stat(), status)
    except FileNotFoundError:
        return False


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
        if not _try(file.fileno()):
            waiting()
            while not _try(file.fileno()):
                cancel.sleep(_PAUSE)
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds such a lock at this moment."""
    if not path.exists():
        return False
    with path.open() as file:
        return not _try(file.fileno())


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
