"""Lines into a pipe or a file."""

from __future__ import annotations

import io
import os
from typing import TextIO


def forgiving(stream: TextIO) -> TextIO:
    """The stream, set to print `?` for what its encoding doesn't have, instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


class Output:
    """Writes each line at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = forgiving(stream)

    def write(self, text: str) -> None:
        """Write a line and flush it. A reader that is gone is no error."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        """Whoever read is gone, as in `invoke up | head`; what is being changed has to come to its end all the same."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
