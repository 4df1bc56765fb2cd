from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab import pins
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Infrastructure
from canarylab.disks import Fault
from canarylab.errors import MachineError
from canarylab.images.build import archive_of
from canarylab.providers.embedded import EmbeddedProvider, doctor
from canarylab.providers.embedded.ceiling import AskedAndTaken, Ceiling, Host
from canarylab.providers.embedded.programs.built import Built, built
from canarylab.stages.kinds.image import ImageOptions, ImageStage

GIB = 1 << 30


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A PATH with nothing on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder, name):
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


# -- packages ---------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named_by_its_debian_package(bare):
    assert set(doctor.missing_packages()) == set(pins.host_programs().values())
    program(bare, "nft")
    assert "nftables" not in doctor.missing_packages()


def test_with_apt_missing_programs_are_no_obstacle_but_announced(bare):
    program(bare, "apt-get")
    [finding] = doctor._programs()
    assert (finding.ok, finding.fatal) == (False, False)
    assert "`up` will install" in finding.seen
    assert finding.remedy.startswith("apt-get install ")


def test_without_apt_they_are_an_obstacle(bare):
    assert not (bare / "apt-get").exists()
    [finding] = doctor._programs()
    assert finding.fatal
    assert "package manager" in finding.remedy


@pytest.mark.parametrize(("user", "apt"), [(1000, True), (0, False)])
def test_nothing_is_installed_without_root_and_apt(bare, monkeypatch, user, apt):
    if apt:
        program(bare, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    doctor.install_packages(context_of(runner=FakeRunner()))


def test_with_root_and_apt_just_the_missing_packages_are_installed(bare, monkeypatch):
    for name in ("apt-get", *(name for name in pins.host_programs() if name not in ("nft", "buildah"))):
        program(bare, name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    runner = FakeRunner({"apt-get update -qq": "", "apt-get install": ""})
    doctor.install_packages(context_of(runner=runner))
    assert runner.commands[-1].endswith("--no-install-recommends buildah nftables")
    assert all(given["env"] == {"DEBIAN_FRONTEND": "noninteractive"} for given in runner.given)


@pytest.mark.usefixtures("isolated_home")
@pytest.mark.parametrize("there", [{"programs", "image"}, {"programs"}, {"image"}])
def test_what_only_building_takes_is_installed_only_where_something_is_left_to_build(
    bare, tmp_path, monkeypatch, there
):
    """On a machine where all was unpacked nothing is fetched: it may have no network."""
    for name in ("apt-get", *(name for name in pins.host_programs() if name not in ("mmdebstrap", "buildah"))):
        program(bare, name)
    (tmp_path / "app").mkdir()
    stage = ImageStage("image", ImageOptions(path="app", image="localhost/app:blue"))
    runner = FakeRunner({"apt-get update -qq": "", "apt-get install": ""})
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    ctx = context_of(stage, provider=provider, runner=runner, base=tmp_path)
    archive = archive_of(stage.wanted(ctx), pins.architecture())
    for path, is_there in {built().folder: "programs" in there, archive: "image" in there}.items():
        if is_there:
            path.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Infrastructure, "require_host", lambda *_: None)
    [finding] = doctor._programs(doctor.builds(ctx, built()))
    provider.infrastructure.require_host(ctx)
    assert finding.ok == (there == {"programs", "image"})
    assert [line for line in runner.commands if "install" in line and "buildah mmdebstrap" in line] == runner.commands[
        1:
    ]
    assert bool(runner.commands) == (not finding.ok)


# -- findings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "ok"), [("Linux", True), ("Darwin", False)])
def test_the_system_has_to_be_linux(monkeypatch, system, ok):
    monkeypatch.setattr("platform.system", lambda: system)
    finding = doctor._system()
    assert (finding.ok, finding.seen) == (ok, system)
    assert ok or "--provider minikube" in finding.remedy


@pytest.mark.parametrize(("machine", "ok"), [("x86_64", True), ("aarch64", True), ("riscv64", False)])
def test_the_processor_has_to_be_one_that_is_built_for(monkeypatch, machine, ok):
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert doctor._architecture().ok is ok


@pytest.mark.parametrize(("user", "ok", "seen"), [(0, True, "root"), (1000, False, "user 1000")])
def test_the_user_has_to_be_root_and_the_remedy_keeps_the_home(monkeypatch, user, ok, seen):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    finding = doctor._root("invoke up --playbook mine")
    assert (finding.ok, finding.seen) == (ok, seen)
    assert 'sudo -E env "PATH=$PATH" invoke up --playbook mine ' in finding.remedy


def reading(monkeypatch, contents):
    """Have these paths read so, and all others as they are."""
    really, exists = Path.read_text, Path.exists
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: contents.get(str(self)) or really(self, *a, **k))
    monkeypatch.setattr(Path, "exists", lambda self, **k: str(self) in contents or exists(self, **k))


@pytest.mark.parametrize(
    ("effective", "seen"),
    [
        ("000001ffffffffff", "complete"),
        ("0000000000000000", "missing: CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD"),
        ("00000000a80425fb", "missing: CAP_SYS_ADMIN, CAP_NET_ADMIN"),
    ],
)
def test_capabilities_that_are_missing_are_named(monkeypatch, effective, seen):
    """The last one is what Docker gives by default."""
    reading(monkeypatch, {"/proc/self/status": f"Name:\\tx\nCapEff:\t{effective}\n"})
    [finding] = doctor._capabilities()
    assert (finding.seen, finding.ok) == (seen, seen == "complete")
    assert "--privileged" in finding.remedy


@pytest.fixture
def sized(monkeypatch, tmp_path):
    """The findings about memory and processors of a host of 16 GiB and 8 processors."""

    def look(available, memory="8192mb", cpus=4):
        monkeypatch.setattr(doctor, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(Host, "read", lambda: Host(16 * GIB, int(available), 8, 32768))
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        spec = ClusterSpec(profile="xx", memory=memory, cpus=cpus)
        ctx = SimpleNamespace(paths=SimpleNamespace(root=tmp_path), command="invoke {}".format)
        return {finding.subject: finding for finding in doctor._size(ctx, spec)}

    return look


@pytest.mark.parametrize(
    ("available", "ok", "fatal", "seen"),
    [
        (12 * GIB, True, True, "12.0 GiB of 16.0 GiB available, the playbook asks for 8.0 GiB"),
        (6 * GIB, False, False, "6.0 GiB of 16.0 GiB available, the playbook asks for 8.0 GiB: it gets 5.5 GiB"),
        (2 * GIB, False, True, "2.0 GiB of 16.0 GiB available, the playbook asks for 8.0 GiB"),
    ],
)
def test_what_there_is_of_memory_and_what_is_asked_for_is_said(sized, available, ok, fatal, seen):
    finding = sized(available)["memory"]
    assert (finding.ok, finding.fatal, finding.seen) == (ok, fatal, seen)
    assert fatal or "cluster: {memory: 5632mb}" in finding.remedy


@pytest.mark.parametrize(
    ("cpus", "seen"),
    [(4, "8 here, the playbook asks for 4"), (16, "8 here, the playbook asks for 16: it gets 8")],
)
def test_what_there_is_of_processors_and_what_is_asked_for_is_said(sized, cpus, seen):
    finding = sized(12 * GIB, cpus=cpus)["processors"]
    assert (finding.ok, finding.seen) == (True, seen)


def test_of_a_cluster_that_is_up_what_it_was_given_and_uses_is_said(sized, tmp_path):
    """Its own use of memory must not be held against it."""
    AskedAndTaken(Ceiling(8 * GIB, 4), Ceiling(6 * GIB, 4)).save(tmp_path)
    group = tmp_path / "cgroup" / "memory" / "canarylab-xx"
    group.mkdir(parents=True)
    for name, value in {"memory.usage_in_bytes": 3 * GIB, "memory.limit_in_bytes": 6 * GIB, "cgroup.procs": 1}.items():
        (group / name).write_text(str(value))
    finding = sized(GIB)["memory"]
    assert not finding.fatal
    assert finding.seen == (
        "6.0 GiB for this cluster, of which it uses 3.0 GiB; when it was started, this host had "
        "6.0 GiB of the 8.0 GiB of memory that the playbook asks for"
    )


@pytest.mark.parametrize(
    ("free", "built", "ok"),
    [(20 * GIB, False, True), (5 * GIB, False, False), (5 * GIB, True, True), (GIB, True, False)],
)
def test_a_first_run_needs_more_disk_than_the_next(monkeypatch, tmp_path, free, built, ok):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))  # type: ignore[attr-defined]
    (tmp_path / "built").mkdir()
    finding = doctor._disk(Built(tmp_path / ("built" if built else "absent")))
    assert finding.ok is ok
    assert "XDG_CACHE_HOME" in finding.remedy


@pytest.mark.parametrize(
    ("full", "built", "found"),
    [
        ("state", True, {"disk of state": True}),
        ("cache", False, {"disk of cache": True}),
        ("cache", True, {"disk of cache": False, "disk": True}),
        ("temporary", True, {"disk of temporary files": False, "disk": True}),
        (None, True, {"disk": True}),
    ],
)
def test_a_disk_that_cannot_be_written_to_is_named_by_what_is_on_it(monkeypatch, tmp_path, full, built, found):
    folders = {"state": doctor.state_home(), "cache": doctor.cache_home(), "temporary": doctor.disks.temporary()}

    def faults(asked):
        return [
            Fault(tmp_path, "its filesystem is full", "free some") for folder in asked if folder == folders.get(full)
        ]

    monkeypatch.setattr(doctor.disks, "faults", faults)
    (tmp_path / "built").mkdir()
    findings = doctor._disks(Built(tmp_path / ("built" if built else "absent")))
    assert {finding.subject: finding.fatal for finding in findings} == found
    assert all(finding.remedy for finding in findings if not finding.ok)


@pytest.mark.parametrize(("name", "ok"), [('a folder, it\'s 100% "odd"', True), ("a #b", False), ("x" * 100, False)])
def test_a_state_folder_that_the_supervisor_cannot_have_is_told(monkeypatch, name, ok):
    monkeypatch.setenv("XDG_STATE_HOME", f"/{name}")
    found = doctor._state_folder(context_of(runner=FakeRunner()))
    assert [finding.fatal for finding in found] == ([] if ok else [True])


def test_overlayfs_that_cannot_be_tried_for_want_of_room_says_so(monkeypatch):
    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/home/x")

    monkeypatch.setattr(doctor.tempfile, "TemporaryDirectory", no_room)
    finding = doctor._overlay(context_of(runner=FakeRunner()))
    assert finding.seen == "it can't be tried: No space left on device: /home/x"
    assert "doctor" not in finding.remedy


@pytest.mark.parametrize(
    ("unified", "controllers", "seen"),
    [
        (True, "cpuset cpu io memory pids", "version 2"),
        (True, "cpu io", "version 2, without cpuset, memory, pids"),
        (False, "cpu cpuset memory pids freezer", "version 1"),
        (False, "cpu cpuset", "version 1, without memory, pids"),
        (None, "", "version 1, without cpu, cpuset, memory, pids"),
    ],
)
def test_control_groups_of_both_versions_are_understood(monkeypatch, tmp_path, unified, controllers, seen):
    root = tmp_path / "cgroup"
    monkeypatch.setattr(doctor, "CGROUPS", root)
    if unified is not None:
        root.mkdir()
    if unified:
        (root / "cgroup.controllers").write_text(controllers)
    elif unified is False:
        for name in controllers.split():
            (root / name).mkdir()
    finding = doctor._control_groups()
    assert (finding.seen, finding.ok) == (seen, "without" not in seen)


OVERLAY = "unshare --mount mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged"


@pytest.mark.parametrize(("code", "ok"), [(0, True), (32, False)])
def test_overlayfs_is_tried_in_a_mount_namespace_of_its_own_and_leaves_nothing(isolated_home, code, ok):
    runner = FakeRunner({OVERLAY: code})
    before = sorted(isolated_home.rglob("*"))
    finding = doctor._overlay(context_of(runner=runner))
    assert finding.ok is ok
    assert str(isolated_home) in finding.subject
    assert sorted(isolated_home.rglob("*")) == before


# -- before anything is changed ---------------------------------------------------------------------------------------


def test_what_stands_in_the_way_is_reported_all_at_once_and_nothing_is_installed(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    with pytest.raises(MachineError) as caught:
        provider.infrastructure.require_host(context_of(provider=provider, runner=FakeRunner()))
    assert "architecture: riscv64" in str(caught.value)
    assert "user: user 1000" in str(caught.value)
    assert "sudo -E" in str(caught.value)


@pytest.mark.parametrize(("limit", "ok"), [("128\n", False), ("511\n", False), ("512\n", True)])
def test_few_inotify_instances_are_reported_before_a_sidecar_fails_for_want_of_one(monkeypatch, tmp_path, limit, ok):
    file = tmp_path / "max_user_instances"
    file.write_text(limit)
    monkeypatch.setattr(doctor, "_INOTIFY", file)
    finding = doctor._inotify()
    assert finding.ok is ok
    assert not finding.fatal, "one cluster works with the kernel's usual limit"
    assert finding.fix == ("sysctl", "-w", "fs.inotify.max_user_instances=512")
