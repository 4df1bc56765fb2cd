from __future__ import annotations

import pytest
from support.fake_time import FakeTime

from canarylab.cancel import Cancel
from canarylab.errors import CancelledError
from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.removal import Removal

NAME = "canarylab-x"


def version_1(root):
    for name in ("cpuset", "memory", "cpu,cpuacct"):
        (root / name).mkdir(parents=True)
    (root / "cpu").symlink_to("cpu,cpuacct")
    (root / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (root / "cpuset" / "cpuset.mems").write_text("0\n")
    return {"cpuset", "memory", "cpu,cpuacct"}


def version_2(root):
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    (root / "cgroup.subtree_control").write_text("")
    (root / "system.slice").mkdir()
    return {"."}


def hybrid(root):
    return version_1(root) | version_2(root / "unified") - {"."} | {"unified"}


@pytest.fixture(params=[version_1, version_2, hybrid])
def hierarchies(request, tmp_path):
    """A folder that looks like /sys/fs/cgroup, and the names of the hierarchies in it."""
    return tmp_path / "cgroup", request.param(tmp_path / "cgroup")


def test_there_is_one_group_in_every_hierarchy(hierarchies):
    root, names = hierarchies
    groups = ControlGroups(NAME, root)
    groups.create()
    assert {group.relative_to(root).parent.as_posix() for group in groups.groups} == names
    assert all(group.is_dir() for group in groups.groups)
    groups.create()


def test_a_new_group_of_version_1_may_use_what_its_parent_may(tmp_path):
    version_1(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    own = tmp_path / "cgroup" / "cpuset" / NAME
    own.mkdir()
    (own / "cpuset.cpus").write_text("\n")
    (own / "cpuset.mems").write_text("1\n")
    groups.create()
    assert (own / "cpuset.cpus").read_text() == "0-1\n"
    assert (own / "cpuset.mems").read_text() == "1\n", "what was set already stays"


def test_processes_are_found_in_every_group_and_below(hierarchies):
    root, _ = hierarchies
    groups = ControlGroups(NAME, root)
    groups.create()
    first = groups.groups[0]
    (first / "cgroup.procs").write_text("11\n")
    (first / "kubepods" / "pod1").mkdir(parents=True)
    (first / "kubepods" / "pod1" / "cgroup.procs").write_text("12\n13\n0\n")
    (root / "cgroup.procs").write_text("1\n")
    assert groups.processes() == {11, 12, 13}


def test_everything_of_the_groups_is_deleted_and_nothing_else(hierarchies):
    root, names = hierarchies
    before = sorted(root.rglob("*"))
    groups = ControlGroups(NAME, root)
    groups.create()
    for group in groups.groups:
        (group / "kubepods" / "burstable" / "pod1").mkdir(parents=True)
    assert groups.delete(Cancel()) == [Removal(f"control groups {NAME} in {len(names)} hierarchies", "removed")]
    assert sorted(root.rglob("*")) == before


def test_where_there_is_nothing_nothing_is_deleted(hierarchies):
    assert ControlGroups(NAME, hierarchies[0]).delete(Cancel()) == []


def test_a_host_without_control_groups_has_none(tmp_path):
    groups = ControlGroups(NAME, tmp_path / "nowhere")
    assert (groups.groups, groups.processes(), groups.delete(Cancel())) == ([], set(), [])


def test_a_group_that_is_still_in_use_is_told(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create()
    (tmp_path / "cgroup" / NAME / "busy").touch()  # a folder with a file can't be removed: as good as a busy group
    [removal] = groups.delete(FakeTime())
    assert (removal.outcome, removal.reason) == ("failed", "still in use")
    assert str(tmp_path / "cgroup" / NAME) in removal.subject


def test_an_interruption_ends_the_wait_for_a_busy_group(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create()
    (tmp_path / "cgroup" / NAME / "busy").touch()
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        groups.delete(cancel)
