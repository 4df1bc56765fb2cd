"""The stand-in for minikube (tests/standins), run in this process: a program would take a tenth of a second longer.

What it answers is the program's own code; `tests/contract/test_standin_minikube.py` starts the program, too.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING
from unittest.mock import patch

from canarylab.tools.runner import Result

if TYPE_CHECKING:
    from minikube_standin.machines import Machines

KILLED = -9


def minikube(argv: Sequence[str], environment: Mapping[str, str], machines: Machines | None = None) -> Result:
    """What it prints and ends with. Without `machines`, those of the program: no command may bring a node up then."""
    from minikube_standin.cli import main
    from minikube_standin.errors import Killed

    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(argv, machines)
        except Killed:
            code = KILLED
    return Result(out.getvalue(), err.getvalue(), code, 0.0)
