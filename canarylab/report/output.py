"""Lines into a pipe or a file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from canarylab.files import NO_ROOM


def forgiving(stream: TextIO) -> TextIO:
    """The stream, set to print `?` for what its encoding doesn't have, instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


class Output:
    """Writes each line at once. A reader that is gone is no error, as in `invoke up | head`: then `gone` is called."""

    def __init__(self, stream: TextIO, gone: Callable[[], None] = lambda: None) -> None:
        self._stream = forgiving(stream)
        self._gone = gone

    def write(self, text: str) -> None:
        """Write a line and flush it; into nothing once the reader is gone, as what is being changed has to end well."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
            self._gone()
        except OSError as error:
            # Into a file on a full disk: the work goes on, and may be what frees it. What is pending comes with the
            # next line for which there is room.
            if error.errno not in NO_ROOM:
                raise
