"""Each call of a stand-in is a line of the file that $STANDIN_CALLS names: what ran, and as whom, can be tested."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path


def note(program: str, argv: Sequence[str]) -> None:
    """Append one call. `sudo` is whether it ran below the stand-in's sudo."""
    file = os.environ.get("STANDIN_CALLS")
    if file:
        line = json.dumps({"program": program, "argv": list(argv), "sudo": "SUDO_USER" in os.environ})
        with Path(file).open("a") as log:
            log.write(line + "\n")
