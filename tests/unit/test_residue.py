"""What the end-to-end tests call residue: what carries our marks or descends from them, and nothing else."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import residue

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="it reads /proc, as the end-to-end tests do")


@contextmanager
def _running(*argv: str, environment: dict[str, str] | None = None, orphan: bool = False) -> Iterator[int]:
    """A process; as an orphan its parent is no longer this one."""
    shell = [*(["setsid"] if orphan else []), "sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", *argv]
    done = subprocess.run(shell, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    try:
        yield pid
    finally:
        os.kill(pid, 9)


def _found(pid: int) -> bool:
    return any(entry.startswith(f"{pid} ") for entry in residue.processes())


def test_a_process_of_the_machine_is_none() -> None:
    with _running("bash", "-c", "exec -a unshare sleep 60", orphan=True) as pid:
        assert not _found(pid)


def test_one_that_inherited_the_tests_environment_is() -> None:
    with _running("sleep", "60", environment=dict([residue.MARK]), orphan=True) as pid:
        assert _found(pid)


@pytest.mark.parametrize("name", ["canarylab-e2e", "canarylab-e2e-two", "/run/canarylab/e2e/supervisord.conf"])
def test_one_whose_command_names_a_profile_of_the_tests_is(name: str) -> None:
    with _running("bash", "-c", f"exec -a {name} sleep 60", orphan=True) as pid:
        assert _found(pid)


def test_one_of_another_profile_is_none() -> None:
    with _running("bash", "-c", "exec -a canarylab-e2elsewhere sleep 60", orphan=True) as pid:
        assert not _found(pid)


def test_a_descendant_of_the_tests_is() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert _found(child.pid)
        child.kill()
