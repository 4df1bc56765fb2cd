"""What a profile takes of this host: as much as its playbook asks for, or less, and said so."""

from __future__ import annotations

import pytest
import yaml

from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import MachineError
from canarylab.providers.embedded import ceiling
from canarylab.providers.embedded.ceiling import GIB, MIB, AskedAndTaken, Ceiling, Host

HOST = Host(memory=16 * GIB, available=12 * GIB, cpus=8, processes=32768)


@pytest.mark.parametrize(
    ("memory", "size"),
    [("8192mb", 8 * GIB), ("8192", 8 * GIB), ("4g", 4 * GIB), ("4194304k", 4 * GIB), ("3gb", 3 * GIB)],
)
def test_the_playbooks_size_is_read_as_minikube_reads_it(memory, size):
    assert ceiling.asked(ClusterSpec(profile="xx", memory=memory, cpus=3)) == Ceiling(size, 3)


@pytest.mark.parametrize(
    ("wanted", "host", "promised", "most", "got"),
    [
        (Ceiling(8 * GIB, 4), HOST, 0, None, Ceiling(8 * GIB, 4)),
        (Ceiling(8 * GIB, 16), HOST, 0, None, Ceiling(8 * GIB, 8)),
        (Ceiling(20 * GIB, 4), HOST, 0, None, Ceiling(12 * GIB - 512 * MIB, 4)),
        (Ceiling(8 * GIB, 4), HOST, 6 * GIB, None, Ceiling(6 * GIB - 512 * MIB, 4)),
        (Ceiling(8 * GIB, 4), HOST, 20 * GIB, None, Ceiling(0, 4)),
        (Ceiling(8 * GIB, 4), HOST, 0, 6 * GIB, Ceiling(6 * GIB - 512 * MIB, 4)),
    ],
    ids=["all", "few processors", "much asked", "others have it", "others have all", "in a container"],
)
def test_no_more_is_taken_than_there_is_and_the_host_keeps_some(wanted, host, promised, most, got):
    assert ceiling.taken(wanted, host, promised, most) == got


def test_what_is_lacking_is_said():
    wanted = Ceiling(8 * GIB, 4)
    assert ceiling.shortage(wanted, wanted) == ""
    assert ceiling.shortage(wanted, Ceiling(8 * GIB, 2)) == "2 of the 4 processors"
    both = ceiling.shortage(wanted, Ceiling(5 * GIB + 512 * MIB, 2))
    assert both == "5.5 GiB of the 8.0 GiB of memory and 2 of the 4 processors"


def test_too_little_to_start_with_is_refused_and_little_that_was_asked_for_is_not():
    host = Host(memory=4 * GIB, available=GIB, cpus=2, processes=32768)
    with pytest.raises(MachineError, match=r"1\.0 GiB of memory are available, and 0\.5 GiB could be handed"):
        ceiling.require_enough(Ceiling(8 * GIB, 2), Ceiling(512 * MIB, 2), host)
    ceiling.require_enough(Ceiling(512 * MIB, 2), Ceiling(512 * MIB, 2), host)


@pytest.mark.parametrize(("taken", "node"), [(Ceiling(8 * GIB, 4), 8 * GIB // 10), (Ceiling(2 * GIB, 1), 384 * MIB)])
def test_the_kubelet_is_left_the_ceiling_without_the_nodes_own_share(taken, node):
    config = yaml.safe_load(ceiling.kubelet(taken, HOST, quotas=True))
    reserved = config["systemReserved"]
    assert abs(HOST.memory - int(reserved["memory"]) - (taken.memory - node)) <= 1
    assert HOST.cpus - int(reserved["cpu"]) == taken.cpus
    assert HOST.processes - int(reserved["pid"]) == 8192 - 1024
    assert config["enforceNodeAllocatable"] == ["pods"], "without it nothing but the scheduler keeps to it"
    assert config["podPidsLimit"] == 1024
    assert (config["apiVersion"], config["kind"]) == ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")


@pytest.mark.parametrize("quotas", [True, False])
def test_where_the_kernel_refuses_a_pods_quota_above_the_ceiling_no_pod_gets_one(quotas):
    assert yaml.safe_load(ceiling.kubelet(Ceiling(8 * GIB, 4), HOST, quotas=quotas))["cpuCFSQuota"] is quotas


def test_the_host_is_read_from_proc(tmp_path):
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "meminfo").write_text("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\nHugePages_Total: 0\n")
    (tmp_path / "sys/kernel/pid_max").write_text("32768\n")
    (tmp_path / "sys/kernel/threads-max").write_text("9000\n")
    host = Host.read(tmp_path)
    assert (host.memory, host.available, host.processes) == (2 * MIB, MIB, 9000)
    assert host.cpus >= 1


def test_what_a_machine_was_started_with_is_kept(tmp_path):
    assert AskedAndTaken.load(tmp_path) is None
    ceilings = AskedAndTaken(Ceiling(8 * GIB, 4), Ceiling(6 * GIB, 2))
    ceilings.save(tmp_path)
    assert AskedAndTaken.load(tmp_path) == ceilings
    (tmp_path / "ceiling.json").write_text("{}")
    assert AskedAndTaken.load(tmp_path) is None
