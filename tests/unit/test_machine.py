from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from support.fake_runner import FakeRunner

from canarylab.cancel import Cancel
from canarylab.errors import StageError
from canarylab.providers.embedded import machine as machines
from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.providers.embedded.machine import STAMP, Machine
from canarylab.providers.embedded.programs.built import Built
from canarylab.removal import Removal


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def made(tmp_path):
    """A machine that nothing keeps running, in a namespace with these processes."""

    def make(processes=lambda: ""):
        network = SimpleNamespace(name="unit-test-nobody-has", path=tmp_path / "namespace")
        network.path.touch()
        supervisor = SimpleNamespace(process=lambda _name: None, stop=lambda _name: False)
        runner = FakeRunner({f"ip netns pids {network.name}": processes})
        built = Built(tmp_path / "built")
        paths = SimpleNamespace(root=tmp_path)
        ctx = SimpleNamespace(paths=paths, runner=runner, cancel=Cancel(), command=lambda words: f"invoke {words} -x")
        machine = Machine(ctx, built, network, supervisor)
        machine.groups = ControlGroups(network.name, tmp_path / "nowhere")
        return machine

    return make


def test_what_is_left_in_its_namespace_is_killed_and_waited_for(made, sleeper):
    machine = made(lambda: "" if sleeper.poll() is not None else f"{sleeper.pid}\n")
    assert machine.delete() == [Removal("machine with all its processes", "removed")]
    assert sleeper.wait() == -9


def test_a_machine_of_which_nothing_runs_has_nothing_to_stop(made):
    assert made().delete() == []


def test_without_a_namespace_nobody_can_be_in_it(made, tmp_path):
    machine = made()
    (tmp_path / "namespace").unlink()
    assert machine.stop() is False


def test_processes_that_do_not_end_are_named(made, monkeypatch):
    monkeypatch.setattr(machines, "_STOP_SECONDS", 0.0)
    nobody = 2**22 + 1  # above the highest process id that there can be
    with pytest.raises(StageError, match=rf"don't stop: \[{nobody}\]"):
        made(lambda: f"{nobody}\n").stop()


@pytest.mark.parametrize(("made_of", "there"), [(None, False), ("built", True)])
def test_a_disk_is_there_once_it_is_stamped(made, tmp_path, made_of, there):
    if made_of:
        (tmp_path / STAMP).write_text(made_of)
    assert made().has_disk is there


def test_a_disk_of_other_programs_is_left_to_the_user(made, tmp_path):
    (tmp_path / STAMP).write_text("others")
    with pytest.raises(StageError, match=r"other programs \(others\) than this version's \(built\)"):
        made().has_disk  # noqa: B018
