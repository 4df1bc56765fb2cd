from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_time import FakeTime

from canarylab.cancel import Cancel
from canarylab.errors import CancelledError, MachineError
from canarylab.providers.embedded.ceiling import Ceiling
from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.removal import Removal

NAME = "canarylab-x"
CEILING = Ceiling(memory=3 << 30, cpus=2)


def version_1(root):
    for name in ("cpuset", "memory", "pids", "cpu,cpuacct"):
        (root / name).mkdir(parents=True)
    (root / "cpu").symlink_to("cpu,cpuacct")
    (root / "cpuset" / "cpuset.cpus").write_text("0-1,4-5\n")
    (root / "cpuset" / "cpuset.mems").write_text("0\n")
    return {"cpuset", "memory", "pids", "cpu,cpuacct"}


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
    groups.create(CEILING)
    assert {group.relative_to(root).parent.as_posix() for group in groups.groups} == names
    assert all(group.is_dir() for group in groups.groups)
    groups.create(CEILING)


def test_a_new_group_of_version_1_may_use_what_its_parent_may(tmp_path):
    version_1(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    own = tmp_path / "cgroup" / "cpuset" / NAME
    own.mkdir()
    (own / "cpuset.cpus").write_text("\n")
    (own / "cpuset.mems").write_text("1\n")
    groups.create(CEILING)
    assert (own / "cpuset.cpus").read_text() == "0-1,4-5\n"
    assert (own / "cpuset.mems").read_text() == "1\n", "what was set already stays"


def test_processes_are_found_in_every_group_and_below(hierarchies):
    root, _ = hierarchies
    groups = ControlGroups(NAME, root)
    groups.create(CEILING)
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
    groups.create(CEILING)
    for group in groups.groups:
        (group / "kubepods" / "burstable" / "pod1").mkdir(parents=True)
        for file in filter(Path.is_file, group.iterdir()):
            file.unlink()  # the kernel's own files go with their folder
    assert groups.delete(Cancel()) == [Removal(f"control groups {NAME} in {len(names)} hierarchies", "removed")]
    assert sorted(root.rglob("*")) == before


def test_where_there_is_nothing_nothing_is_deleted(hierarchies):
    assert ControlGroups(NAME, hierarchies[0]).delete(Cancel()) == []


def test_a_host_without_control_groups_has_none(tmp_path):
    groups = ControlGroups(NAME, tmp_path / "nowhere")
    assert (groups.groups, groups.processes(), groups.delete(Cancel())) == ([], set(), [])


def test_a_group_that_is_still_in_use_is_reported(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create(CEILING)
    (tmp_path / "cgroup" / NAME / "busy").touch()  # a folder with a file can't be removed: as good as a busy group
    [removal] = groups.delete(FakeTime())
    assert (removal.outcome, removal.reason) == ("failed", "still in use")
    assert str(tmp_path / "cgroup" / NAME) in removal.subject


def test_an_interruption_ends_the_wait_for_a_busy_group(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create(CEILING)
    (tmp_path / "cgroup" / NAME / "busy").touch()
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        groups.delete(cancel)


# -- the ceiling ------------------------------------------------------------------------------------------------------


def test_version_1_limits_memory_processes_and_processors_each_in_its_hierarchy(tmp_path):
    version_1(tmp_path / "cgroup")
    (tmp_path / "cgroup" / "memory" / NAME).mkdir()
    (tmp_path / "cgroup" / "memory" / NAME / "memory.memsw.limit_in_bytes").touch()
    ControlGroups(NAME, tmp_path / "cgroup").create(CEILING)
    written = {path.name: path.read_text() for path in (tmp_path / "cgroup").glob(f"*/{NAME}/*") if path.is_file()}
    assert written == {
        "memory.limit_in_bytes": "3221225472",
        "memory.memsw.limit_in_bytes": "3221225472",
        "pids.max": "8192",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "200000",
    }


def test_version_2_limits_them_in_the_one_group(tmp_path):
    version_2(tmp_path / "cgroup")
    (tmp_path / "cgroup" / NAME).mkdir()
    (tmp_path / "cgroup" / NAME / "memory.swap.max").touch()
    ControlGroups(NAME, tmp_path / "cgroup").create(CEILING)
    written = {path.name: path.read_text() for path in (tmp_path / "cgroup" / NAME).iterdir() if path.is_file()}
    assert written == {
        "memory.max": "3221225472",
        "memory.swap.max": "0",
        "cpu.max": "200000 100000",
        "pids.max": "8192",
    }


def test_a_hybrid_host_is_limited_where_the_controllers_are(tmp_path):
    hybrid(tmp_path / "cgroup")
    ControlGroups(NAME, tmp_path / "cgroup").create(CEILING)
    assert (tmp_path / "cgroup" / "memory" / NAME / "memory.limit_in_bytes").exists()
    assert not (tmp_path / "cgroup" / "unified" / NAME / "memory.max").exists()


def test_the_machine_enters_a_group_below_the_limits_in_every_hierarchy(hierarchies):
    root, names = hierarchies
    groups = ControlGroups(NAME, root)
    groups.create(CEILING)
    assert {file.relative_to(root).as_posix() for file in groups.entrances} == {
        Path(name, NAME, "machine", "cgroup.procs").as_posix() for name in names
    }
    assert all(file.parent.is_dir() for file in groups.entrances)


def test_a_limit_that_the_kernel_refuses_is_told_and_nothing_is_started(tmp_path):
    version_2(tmp_path / "cgroup")
    (tmp_path / "cgroup" / NAME / "memory.max").mkdir(parents=True)
    (tmp_path / "cgroup" / NAME / "memory.max" / "busy").touch()
    with pytest.raises(MachineError, match="the limit 3221225472 can't be set: Is a directory") as caught:
        ControlGroups(NAME, tmp_path / "cgroup").create(CEILING)
    assert caught.value.where == str(tmp_path / "cgroup" / NAME / "memory.max")


@pytest.mark.parametrize(
    ("make", "folder", "used", "limit"),
    [
        (version_1, "memory/{}", "memory.usage_in_bytes", "memory.limit_in_bytes"),
        (version_2, "{}", "memory.current", "memory.max"),
    ],
)
def test_what_is_used_and_what_others_were_promised_is_read(tmp_path, make, folder, used, limit):
    root = tmp_path / "cgroup"
    make(root)
    sizes = {
        NAME: ("100", "300"),
        "canarylab-y": ("50", "400"),
        "canarylab-z": ("9", "9223372036854771712"),
        "o": ("1", "9"),
    }
    for name, (now, most) in sizes.items():
        group = root / folder.format(name)
        group.mkdir(parents=True)
        (group / used).write_text(now)
        (group / limit).write_text(most)
    groups = ControlGroups(NAME, root)
    assert groups.memory() == (100, 300)
    assert groups.promised("canarylab-") == 350
    assert ControlGroups("canarylab-z", root).memory() is None, "as much as there is"


def test_a_host_that_is_a_container_has_a_limit_itself(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    assert groups.most_memory() is None
    (tmp_path / "cgroup" / "memory.max").write_text("max\n")
    assert groups.most_memory() is None
    (tmp_path / "cgroup" / "memory.max").write_text("6442450944\n")
    assert groups.most_memory() == 6 << 30


def test_the_processes_of_each_pod_are_counted(tmp_path):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create(CEILING)
    for path, has, may in (("kubepods/poda-1", "3", "1024"), ("kubepods/besteffort/podb-2", "7", "max")):
        folder = groups.groups[0] / path
        folder.mkdir(parents=True)
        (folder / "pids.current").write_text(has)
        (folder / "pids.max").write_text(may)
    (groups.groups[0] / "pids.current").write_text("42\n")
    assert groups.tasks_of_pods() == {"a-1": (3, 1024)}
    assert groups.tasks() == 42


@pytest.mark.parametrize("stat", ["inactive_file 60\ntotal_inactive_file 70\n", "anon 5\ninactive_file 70\n"])
def test_what_files_only_happen_to_take_is_not_in_use(tmp_path, stat):
    version_2(tmp_path / "cgroup")
    groups = ControlGroups(NAME, tmp_path / "cgroup")
    groups.create(CEILING)
    (groups.groups[0] / "memory.current").write_text("100")
    (groups.groups[0] / "memory.stat").write_text(stat)
    assert groups.memory() == (30, 3 << 30)
