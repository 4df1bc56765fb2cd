"""What `doctor` finds on a Mac of vmnet and its refusals, of a qemu older than the processor, and of vfkit."""

from __future__ import annotations

import os
import plistlib

import pytest
from mac_world import ARM64, Mac, failing

from canarylab.providers.minikube.checks import socket_vmnet as vmnet
from canarylab.providers.minikube.checks import vmnet as vmnet_log

BREW = "opt/homebrew/bin/brew"
SOCKET = "opt/homebrew/var/run/socket_vmnet"


@pytest.fixture
def mac(tmp_path_factory, monkeypatch):
    """Below a short path, since that of a socket may not be long."""
    made = Mac(tmp_path_factory.mktemp("m"), monkeypatch)
    yield made
    made.daemon.close()


# -- what macOS says to socket_vmnet ----------------------------------------------------------------------------------

REFUSALS = {
    "one file": "Initializing vmnet.framework (mode 1001)\nstart(): vmnet_return_t VMNET_FAILURE\n",
    "1.1": "start(): vmnet_return_t VMNET_FAILURE\nstart: Undefined error: 0\n",
    "1.2": "INFO | Initializing vmnet.framework (mode 1001)\nERROR| vmnet_start_interface: [1001] VMNET_FAILURE\n",
}
"""What its daemon leaves in its log, by version (lima-vm/socket_vmnet#7, its main.c)."""
DAEMON_LOG = "opt/homebrew/var/log/socket_vmnet/stderr"
NAT = "Library/Preferences/SystemConfiguration/com.apple.nat.plist"


def shares_internet(mac, enabled=1):
    mac.put(NAT, plistlib.dumps({"NAT": {"Enabled": enabled}}))


def as_roots(mac):
    mac.monkeypatch.setattr(vmnet, "_owner", lambda _: vmnet.Owner("root", "staff", "srwxrwx---"))


@pytest.mark.parametrize("log", REFUSALS.values(), ids=REFUSALS)
def test_a_daemon_that_macos_refused_beside_internet_sharing_is_not_just_restarted(mac, log):
    """The way out is no command that `--fix` could repeat for ever (kubernetes/minikube#12840)."""
    mac.daemon.close()
    as_roots(mac)
    mac.put(DAEMON_LOG, log.encode())
    shares_internet(mac)
    finding = mac.finding("socket_vmnet daemon")
    assert "macOS refused it a network" in finding.seen
    assert "VMNET_FAILURE" in finding.seen
    assert str(mac.root / DAEMON_LOG) in finding.seen
    assert "Internet Sharing is on" in finding.seen
    assert finding.remedy.splitlines() == [
        "System Settings > General > Sharing > Internet Sharing: off",
        f"sudo {mac.root / BREW} services restart socket_vmnet",
    ]
    assert finding.fix == ()


@pytest.mark.parametrize("plist", [None, b"", b"rubbish", plistlib.dumps({}), plistlib.dumps({"NAT": {"Enabled": 0}})])
def test_without_internet_sharing_a_refusal_ends_with_a_restart_of_the_mac(mac, plist):
    mac.daemon.close()
    as_roots(mac)
    mac.put(DAEMON_LOG, REFUSALS["1.2"].encode())
    if plist is not None:
        mac.put(NAT, plist)
    finding = mac.finding("socket_vmnet daemon")
    assert "Internet Sharing is off" in finding.seen
    assert finding.remedy.splitlines()[-1] == "if that log says it again: restart the Mac, as vmnet is stuck"
    assert finding.fix == ()


@pytest.mark.parametrize(
    "log",
    [
        REFUSALS["1.2"] + "INFO | Initializing vmnet.framework (mode 1001)\nINFO | Received signal: Terminated: 15\n",
        "INFO | Accepted a connection (fd 6)\n",
        "",
    ],
)
def test_a_refusal_of_an_earlier_start_is_no_cause(mac, log):
    mac.daemon.close()
    as_roots(mac)
    mac.put(DAEMON_LOG, log.encode())
    shares_internet(mac)
    finding = mac.finding("socket_vmnet daemon")
    assert "macOS refused" not in finding.seen
    assert finding.fix[1:] == ("services", "restart", "socket_vmnet")


def test_a_log_that_is_older_than_the_socket_is_about_an_earlier_start(mac):
    """The daemon makes its socket anew before it asks macOS (socket_vmnet's main.c)."""
    mac.daemon.close()
    as_roots(mac)
    os.utime(mac.put(DAEMON_LOG, REFUSALS["1.1"].encode()), (1000, 1000))
    assert "macOS refused" not in mac.finding("socket_vmnet daemon").seen


def test_a_failed_start_is_explained_by_the_log_and_by_internet_sharing(mac):
    mac.daemon.close()
    assert vmnet_log.hints("unit-test") == []
    mac.put(DAEMON_LOG, REFUSALS["1.2"].encode())
    assert vmnet_log.hints("unit-test") == ["ERROR| vmnet_start_interface: [1001] VMNET_FAILURE"]
    shares_internet(mac)
    assert vmnet_log.hints("unit-test")[-1] == "Internet Sharing is on"


def test_the_log_of_a_machines_own_helper_is_read_too(mac):
    mac.remove(SOCKET)
    log = "ERROR [main] vmnet_start_interface: VMNET_FAILURE\n"
    mac.put("Users/me/.minikube/machines/unit-test/vmnet-helper.log", log.encode())
    assert vmnet_log.hints("unit-test") == [log.strip()]


# -- a processor that qemu doesn't know -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "told"), [("9.2.0", True), ("9.2.1", True), ("8.2", True), ("9.2.2", False), ("10.1.0", False)]
)
def test_a_qemu_older_than_the_processor_is_told_beforehand(mac, version, told):
    """kubernetes/minikube#20169, lima-vm/lima#3226."""
    mac.sysctl["hw.optional.arm.FEAT_SME"] = "1"
    mac.says("qemu-system-aarch64 --version", f"QEMU emulator version {version}\nCopyright (c) 2003-2024\n")
    found = [finding for finding in mac.findings() if finding.subject == "qemu version"]
    assert bool(found) is told
    for finding in found:
        assert not finding.fatal
        assert "host-arm-cpu.sme" in finding.seen
        assert finding.fix[1:] == ("upgrade", "qemu")


def test_a_processor_without_sme_runs_in_any_qemu(mac):
    assert not [finding for finding in mac.findings() if finding.subject == "qemu version"]


# -- vfkit ------------------------------------------------------------------------------------------------------------

BREWED_HELPER = "opt/homebrew/opt/vmnet-helper/libexec/vmnet-helper"
OWN_HELPER = "opt/vmnet-helper/bin/vmnet-helper"


def vfkit(mac, network, macos="26.1"):
    mac.put("opt/homebrew/bin/vfkit", ARM64, mode=0o755)
    mac.answers["sw_vers -productVersion"] = f"{macos}\n"
    return [finding for finding in mac.findings(driver="vfkit", network=network) if not finding.ok]


def helper(mac, path, version, *, sudo=None):
    mac.put(path, mode=0o755)
    mac.answers[f"{mac.root / path} --version"] = f"version: v{version}\ncommit: 7ee60de20\n"
    mac.answers[f"sudo --non-interactive {mac.root / path} --version"] = sudo or failing("sudo: a password is required")


@pytest.mark.parametrize("network", ["nat", None])
def test_vfkits_own_network_needs_nothing_but_vfkit(mac, network):
    assert [finding.subject for finding in vfkit(mac, network)] == ["Kubernetes version", "Local Network"]


def test_vfkit_has_no_socket_vmnet(mac):
    [finding] = [finding for finding in vfkit(mac, "socket_vmnet") if finding.subject == "network"]
    assert finding.fatal
    assert "unsupported network" in finding.seen
    assert finding.remedy == "in the playbook: cluster: {network: nat}"


@pytest.mark.parametrize(("macos", "remedy"), [("26.0", "brew install vmnet-helper"), ("15.6", "install.sh")])
def test_vmnet_shared_needs_its_helper(mac, macos, remedy):
    [finding] = [finding for finding in vfkit(mac, "vmnet-shared", macos) if finding.subject == "vmnet-helper"]
    assert "NOT_FOUND_VMNET_HELPER" in finding.seen
    assert remedy in finding.remedy
    assert "network: nat" in finding.remedy


@pytest.mark.parametrize("path", [BREWED_HELPER, OWN_HELPER])
def test_from_macos_26_on_the_helper_needs_no_root(mac, path):
    """kubernetes/minikube#22501."""
    helper(mac, path, "0.13.0")
    assert not [finding for finding in vfkit(mac, "vmnet-shared") if finding.subject == "vmnet-helper"]


@pytest.mark.parametrize(("macos", "version"), [("15.6", "0.13.0"), ("26.1", "0.8.2")])
def test_where_the_helper_needs_root_sudo_may_not_ask(mac, macos, version):
    helper(mac, OWN_HELPER, version)
    [finding] = [finding for finding in vfkit(mac, "vmnet-shared", macos) if finding.subject == "vmnet-helper"]
    assert "NOT_CONFIGURED_VMNET_HELPER" in finding.seen
    helper(mac, OWN_HELPER, version, sudo=f"version: v{version}\n")
    assert not [finding for finding in vfkit(mac, "vmnet-shared", macos) if finding.subject == "vmnet-helper"]


def test_internet_sharing_is_told_where_a_driver_asks_for_the_network_itself(mac):
    shares_internet(mac)
    [finding] = [finding for finding in vfkit(mac, "nat") if finding.subject == "Internet Sharing"]
    assert not finding.fatal
    assert not [found for found in mac.findings() if found.subject == "Internet Sharing"], "socket_vmnet answers"
