"""The stand-in for minikube (tests/standins), run in this process: a program would take a tenth of a second longer.

What it answers is the program's own code; `tests/contract/test_standin_minikube.py` starts the program, too.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from canarylab.tools.runner import Result

if TYPE_CHECKING:
    from minikube_standin.machines import Machines

KILLED = -9
_ONE_AT_A_TIME = threading.Lock()
"""The streams are those of the whole process, and doctor asks from several threads."""


def minikube(argv: Sequence[str], environment: Mapping[str, str], machines: Machines | None = None) -> Result:
    """What it prints and ends with. Without `machines`, those of the program: no command may bring a node up then."""
    from minikube_standin.cli import main
    from minikube_standin.errors import Killed

    out, err = io.StringIO(), io.StringIO()
    with _ONE_AT_A_TIME, _environment(environment), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(argv, machines)
        except Killed:
            code = KILLED
    return Result(out.getvalue(), err.getvalue(), code, 0.0)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Only what differs is changed: other threads go on reading the rest."""
    before = dict(os.environ)
    _make(wanted)
    try:
        yield
    finally:
        _make(before)


def _make(wanted: Mapping[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if os.environ.get(name) != value})
