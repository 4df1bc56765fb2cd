from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from support.fake_runner import FakeRunner
from support.fake_time import FakeTime

from canarylab.cancel import Cancel
from canarylab.errors import StageError
from canarylab.providers.embedded import machine as machines
from canarylab.providers.embedded.ceiling import GIB, AskedAndTaken, Ceiling
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

    def make(processes=lambda: "", cancel=None):
        network = SimpleNamespace(name="unit-test-nobody-has", profile="unit-test", path=tmp_path / "namespace")
        network.path.touch()
        supervisor = SimpleNamespace(process=lambda _name: None, stop=lambda _name: False)
        runner = FakeRunner({f"ip netns pids {network.name}": processes})
        built = Built(tmp_path / "built")
        paths = SimpleNamespace(root=tmp_path)
        ctx = SimpleNamespace(
            paths=paths, runner=runner, cancel=cancel or Cancel(), command=lambda words: f"invoke {words} -x"
        )
        machine = Machine(ctx, built, network, supervisor, Ceiling(GIB, 1))
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


def test_processes_that_do_not_end_are_named(made):
    cancel = FakeTime()
    nobody = 2**22 + 1  # above the highest process id that there can be
    with pytest.raises(StageError, match=rf"don't stop: \[{nobody}\]"):
        made(lambda: f"{nobody}\n", cancel).stop()
    assert cancel.slept == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize(("made_of", "there"), [(None, False), ("built", True)])
def test_a_disk_is_there_once_it_is_stamped(made, tmp_path, made_of, there):
    if made_of:
        (tmp_path / STAMP).write_text(made_of)
    assert made().has_disk is there


def test_a_disk_of_other_programs_is_left_to_the_user(made, tmp_path):
    (tmp_path / STAMP).write_text("others")
    with pytest.raises(StageError, match=r"other programs \(others\) than this version's \(built\)"):
        made().has_disk  # noqa: B018


# -- the ceiling ------------------------------------------------------------------------------------------------------


def test_before_it_starts_it_is_limited_and_the_kubelet_is_told(made, tmp_path):
    machine = made()
    root = tmp_path / "cgroup"
    (root / "memory").mkdir(parents=True)
    machine.groups = ControlGroups("canarylab-x", root)
    machine._limit()
    assert (root / "memory" / "canarylab-x" / "memory.limit_in_bytes").read_text() == str(GIB)
    assert "enforceNodeAllocatable" in (tmp_path / "etc/kubelet.conf.d/10-ceiling.conf").read_text()
    assert machine.ceilings == AskedAndTaken(Ceiling(GIB, 1), Ceiling(GIB, 1))


def test_its_first_program_enters_the_control_groups_and_then_becomes_what_it_should(made, tmp_path):
    machine = made()
    entrances = [tmp_path / "a group" / "cgroup.procs", tmp_path / "b" / "cgroup.procs"]
    for file in entrances:
        file.parent.mkdir()
    argv = ["sh", "-c", machines._ENTER, "sh", *map(str, entrances), "--", "sh", "-c", 'echo "$$ $1"', "sh", "-- x"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    pid = done.stdout.split()[0]
    assert done.stdout == f"{pid} -- x\n"
    assert [file.read_text() for file in entrances] == [f"{pid}\n"] * 2
    assert machine._program().argv[:4] == ["sh", "-c", machines._ENTER, "sh"]


def test_without_its_control_group_nothing_is_run(tmp_path):
    argv = ["sh", "-c", machines._ENTER, "sh", str(tmp_path / "gone" / "cgroup.procs"), "--", "echo", "it runs"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
