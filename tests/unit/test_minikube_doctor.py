"""What `doctor` finds on a Mac before a ten-minute start fails, and how it is told."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading

import pytest
from mac_world import AMD64, ARM64, BLOCKED, GIB, ROUTES, Mac, failing, printed, profile

from canarylab.errors import CancelledError, CommandError
from canarylab.providers.minikube.checks import executable, firewall, host, local_network, machine
from canarylab.providers.minikube.checks import socket_vmnet as vmnet
from canarylab.providers.minikube.routes import parse_table

BREW = "opt/homebrew/bin/brew"
SOCKET = "opt/homebrew/var/run/socket_vmnet"
CLIENT = "opt/homebrew/opt/socket_vmnet/bin/socket_vmnet_client"


@pytest.fixture
def mac(tmp_path_factory, monkeypatch):
    """Below a short path, since that of a socket may not be long."""
    made = Mac(tmp_path_factory.mktemp("m"), monkeypatch)
    yield made
    made.daemon.close()


def subjects(found):
    return [finding.subject for finding in found if not finding.ok]


# -- the whole --------------------------------------------------------------------------------------------------------


def test_on_a_mac_where_all_is_well_only_what_cannot_be_known_is_worth_a_look(mac):
    found = mac.findings()
    assert subjects(found) == ["Kubernetes version", "Local Network"]
    assert "this machine can do it; 2 findings worth a look" in printed(*found)


def test_everything_is_looked_at_and_reported_in_the_order_in_which_it_is_fixed(mac):
    told = [finding.subject for finding in mac.findings()]
    assert told == [
        "operating system",
        "architecture",
        "Homebrew",
        "minikube",
        "helm",
        "kubectl",
        "kubectl-argo-rollouts",
        "Kubernetes version",
        "qemu",
        "qemu firmware",
        "socket_vmnet",
        "socket_vmnet daemon",
        "firewall",
        "Local Network",
        "routes",
        "memory",
        "processors",
        "disk",
        "sudo",
    ]


def test_looking_changes_nothing(mac):
    before = {path: path.stat().st_mtime_ns for path in mac.root.rglob("*")}
    mac.findings()
    assert {path: path.stat().st_mtime_ns for path in mac.root.rglob("*")} == before


def test_every_finding_has_a_remedy_and_each_command_that_fixes_can_be_pasted(mac):
    for name in ("minikube", "helm", "kubectl", "kubectl-argo-rollouts", "qemu-system-aarch64"):
        mac.remove(f"opt/homebrew/bin/{name}")
    mac.remove(CLIENT)
    mac.remove(SOCKET)
    found = [finding for finding in mac.findings() if not finding.ok]
    assert all(finding.remedy for finding in found)
    for finding in found:
        assert not finding.fix or " ".join(finding.fix) in finding.remedy
        assert finding.needs_root == finding.remedy.startswith("sudo ") or not finding.fix


def test_a_check_that_cannot_be_made_is_reported_and_is_no_obstacle(mac):
    def never_ends():
        raise CommandError("netstat -nr", None, "")

    mac.answers["netstat -nr -f inet"] = never_ends
    finding = mac.finding("routes")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "netstat did not end in time" in finding.seen


def test_an_interrupted_look_ends(mac):
    def interrupted():
        raise CancelledError("interrupted")

    mac.answers["netstat -nr -f inet"] = interrupted
    with pytest.raises(CancelledError):
        mac.findings()


def test_checks_run_side_by_side(mac):
    """Both wait for the other one."""
    together = threading.Barrier(2, timeout=10)

    def waits(text):
        return lambda: together.wait() is None or text

    mac.says("helm version --template {{.Version}}", waits("v4.1.4"))
    mac.answers["netstat -nr -f inet"] = waits(ROUTES)
    assert mac.finding("helm").ok


# -- programs: missing, too old, of another architecture --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "formula", "fatal"),
    [
        ("minikube", "minikube", True),
        ("helm", "helm", True),
        ("kubectl", "kubernetes-cli", False),
        ("kubectl-argo-rollouts", "argoproj/tap/kubectl-argo-rollouts", True),
    ],
)
def test_a_program_that_is_missing_is_installed_by_its_formula(mac, name, formula, fatal):
    mac.remove(f"opt/homebrew/bin/{name}")
    finding = mac.finding(name)
    assert finding.fix == (str(mac.root / BREW), "install", formula)
    assert (finding.ok, finding.fatal, finding.needs_root) == (False, fatal, False)


def test_without_homebrew_nothing_is_fixed_but_the_way_is_reported(mac):
    mac.remove(BREW)
    mac.remove("opt/homebrew/bin/helm")
    assert "https://brew.sh" in mac.finding("Homebrew").remedy
    finding = mac.finding("helm")
    assert finding.fix == ()
    assert "helm.sh" in finding.remedy


def test_a_helm_that_cannot_label_its_releases_is_refused(mac):
    mac.says("helm version --template {{.Version}}", "v3.12.3")
    finding = mac.finding("helm")
    assert (finding.fatal, finding.fix[1:]) == (True, ("upgrade", "helm"))
    assert "--labels" in printed(finding)


@pytest.mark.parametrize(
    ("name", "line", "answer"),
    [
        ("minikube", "minikube version -o json", '{"minikubeVersion":"v1.30.1"}'),
        ("kubectl-argo-rollouts", "kubectl-argo-rollouts version --short", "kubectl-argo-rollouts: v1.2.2+22aff27"),
    ],
)
def test_an_older_one_that_may_work_is_worth_a_look(mac, name, line, answer):
    mac.says(line, answer)
    finding = mac.finding(name)
    assert (finding.ok, finding.fatal, finding.fix[1]) == (False, False, "upgrade")


@pytest.mark.parametrize("answer", ["nonsense", '{"other": 1}', failing("killed: 9")])
def test_a_program_that_does_not_say_its_version_is_reported_with_its_last_words(mac, answer):
    mac.says("minikube version -o json", answer)
    finding = mac.finding("minikube")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "doesn't say its version" in finding.seen


def test_the_version_in_json_is_the_programs_own(mac):
    client = '{"major":"1","minor":"36","gitVersion":"v1.36.2","gitCommit":"3a2","goVersion":"go1.26.1"}'
    mac.says("kubectl version --client -o json", f'{{"clientVersion":{client},"kustomizeVersion":"v5.8.0"}}')
    assert mac.finding("kubectl").seen.startswith("1.36.2 at ")


def test_an_amd64_minikube_on_arm64_is_named_with_what_would_come_of_it(mac):
    """kubernetes/minikube#17020."""
    mac.put("opt/homebrew/bin/minikube", AMD64, mode=0o755)
    finding = mac.finding("minikube")
    assert finding.fatal
    said = printed(finding)
    assert "minikube is amd64, this machine is arm64" in said
    assert "-accel hvf: Unknown Error" in said
    assert "brew reinstall minikube" in said


def test_an_amd64_helm_is_only_slower(mac):
    mac.put("opt/homebrew/bin/helm", AMD64, mode=0o755)
    finding = mac.finding("helm")
    assert (finding.ok, finding.fatal, "slower" in finding.seen) == (False, False, True)


def test_an_amd64_qemu_is_seen_through_links(mac):
    """kubernetes/minikube#18712: an Intel Mac's Homebrew, brought along."""
    mac.put("usr/local/Cellar/qemu/9.0/bin/qemu-system-aarch64", AMD64, mode=0o755)
    mac.remove("opt/homebrew/bin/qemu-system-aarch64")
    link = mac.root / "opt/homebrew/bin/qemu-system-aarch64"
    link.symlink_to(mac.root / "usr/local/Cellar/qemu/9.0/bin/qemu-system-aarch64")
    said = printed(mac.finding("qemu"))
    assert "is amd64, this machine is arm64" in said
    assert "invalid accelerator hvf" in said


def test_homebrew_for_intel_is_never_told_to_reinstall_what_it_made_wrong(mac):
    mac.remove(BREW)
    mac.put("usr/local/bin/brew", mode=0o755)
    mac.put("opt/homebrew/bin/minikube", AMD64, mode=0o755)
    assert not mac.finding("Homebrew").ok
    finding = mac.finding("minikube")
    assert finding.fix == ()
    assert "Homebrew for arm64" in finding.remedy


def test_a_program_for_both_architectures_will_do(mac):
    both = struct.pack(">II", 0xCAFEBABE, 2) + struct.pack(">5I", 0x01000007, 3, 0, 0, 0)
    mac.put("opt/homebrew/bin/minikube", both + struct.pack(">5I", 0x0100000C, 0, 0, 0, 0), mode=0o755)
    assert mac.finding("minikube").ok


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (ARM64, ("arm64",)),
        (AMD64, ("amd64",)),
        (struct.pack(">II", 0xCAFEBABF, 1) + struct.pack(">II", 0x0100000C, 0) + bytes(24), ("arm64",)),
        (struct.pack(">II", 0xCAFEBABE, 65), ()),  # a class of Java 21
        (b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", 183), ("arm64",)),
        (b"#!/bin/sh\nexec qemu", ()),
        (b"\xcf\xfa\xed\xfe", ()),
        (b"", ()),
    ],
)
def test_a_programs_first_bytes_say_what_it_is_for(header, found):
    assert executable.of_header(header) == found


def test_a_program_that_cannot_be_read_is_of_no_known_architecture(tmp_path):
    assert executable.architectures(tmp_path / "absent") == ()


# -- the machine ------------------------------------------------------------------------------------------------------


def test_a_python_under_rosetta_is_named(mac):
    mac.monkeypatch.setattr("platform.machine", lambda: "x86_64")
    mac.sysctl["sysctl.proc_translated"] = "1"
    finding = mac.finding("architecture")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "Rosetta" in printed(finding)
    assert "arch -arm64" in finding.remedy


def test_an_intel_mac_is_no_case_of_rosetta(mac):
    mac.monkeypatch.setattr("platform.machine", lambda: "x86_64")
    mac.sysctl.pop("hw.optional.arm64")
    assert (mac.finding("architecture").ok, mac.finding("architecture").seen) == (True, "amd64")


def test_a_macos_without_hypervisor_has_no_hvf(mac):
    mac.sysctl["kern.hv_support"] = "0"
    assert "-accel hvf: Unknown Error" in printed(mac.finding("hypervisor"))


def test_minikube_is_not_for_sudo(mac):
    mac.monkeypatch.setattr("os.geteuid", lambda: 0)
    mac.monkeypatch.setenv("SUDO_USER", "me")
    finding = mac.finding("user")
    assert finding.fatal
    assert "root, by sudo of me" in finding.seen


def test_who_is_no_administrator_goes_on_without_a_tunnel(mac):
    mac.answers["id -Gn"] = "staff everyone\n"
    finding = mac.finding("sudo")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "NodePort" in finding.seen


def test_sudo_asks_for_a_password_only_where_it_does(mac):
    assert mac.finding("sudo").seen == "asks for a password: `up` asks for it once, for the tunnel's route"
    mac.answers["sudo -n true"] = ""
    assert mac.finding("sudo").seen == "asks for no password now; only the tunnel's route needs it"


def test_sysctl_is_read_line_by_line():
    assert host.parse_sysctl("hw.memsize: 17179869184\nhw.ncpu: 10\n") == {"hw.memsize": "17179869184", "hw.ncpu": "10"}


# -- qemu and other drivers -------------------------------------------------------------------------------------------


def test_qemu_that_is_missing_is_installed(mac):
    mac.remove("opt/homebrew/bin/qemu-system-aarch64")
    assert mac.finding("qemu").fix[1:] == ("install", "qemu")


def test_qemu_without_its_firmware_is_reported_by_what_minikube_would_say(mac):
    mac.remove("opt/homebrew/opt/qemu/share/qemu/edk2-aarch64-code.fd")
    finding = mac.finding("qemu firmware")
    assert finding.fix[1:] == ("reinstall", "qemu")
    assert "PROVIDER_QEMU2_NOT_FOUND" in printed(finding)


def test_qemus_builtin_network_is_no_way_to_a_gateway(mac):
    found = mac.findings(network="user")
    assert "can't reach the virtual machine" in printed(*found)
    assert not [finding for finding in found if finding.subject.startswith("socket_vmnet")]


@pytest.mark.parametrize(("driver", "formula"), [("vfkit", "vfkit"), ("krunkit", "libkrun/krun/krunkit")])
def test_another_driver_needs_another_program_and_no_socket_vmnet(mac, driver, formula):
    found = mac.findings(driver=driver, network=None)
    assert not [finding for finding in found if "vmnet" in finding.subject or "qemu" in finding.subject]
    [finding] = [finding for finding in found if finding.subject == "driver"]
    assert finding.fix[1:] == ("install", formula)


@pytest.mark.parametrize(("driver", "fields"), [("docker", "{{.Architecture}}"), ("podman", "{{.Host.Arch}}")])
def test_an_engine_for_containers_has_to_answer(mac, driver, fields):
    mac.put(f"opt/homebrew/bin/{driver}", ARM64, mode=0o755)
    line = f"{driver} info --format {fields}"
    mac.answers[line] = failing("Cannot connect to the daemon")
    finding = mac.finding("driver", driver=driver, network=None)
    assert "Cannot connect to the daemon" in finding.seen
    mac.answers[line] = "aarch64\n"
    assert mac.finding("driver", driver=driver, network=None).ok


def test_where_no_driver_is_named_minikube_chooses(mac):
    assert "minikube chooses" in mac.finding("driver", driver=None).seen


# -- socket_vmnet -----------------------------------------------------------------------------------------------------


def test_socket_vmnet_that_is_missing_is_reported_by_what_minikube_would_say(mac):
    mac.remove(CLIENT)
    mac.remove(SOCKET)
    finding, daemon = mac.finding("socket_vmnet"), mac.finding("socket_vmnet daemon")
    assert "NOT_FOUND_SOCKET_VMNET" in printed(finding)
    assert (finding.fix[1:], finding.needs_root) == (("install", "socket_vmnet"), False)
    assert (daemon.fix[1:], daemon.needs_root) == (("services", "start", "socket_vmnet"), True)


def test_a_daemon_that_answers_is_well_and_its_owner_is_named(mac):
    finding = mac.finding("socket_vmnet daemon")
    assert finding.ok
    assert "answers at" in finding.seen
    assert "srw" in finding.seen


def test_the_socket_that_a_dead_daemon_left_is_refused(mac):
    """kubernetes/minikube#16342: for minikube the file is enough."""
    mac.daemon.close()
    finding = mac.finding("socket_vmnet daemon")
    said = printed(finding)
    assert f'Failed to connect to "{mac.root / SOCKET}": Connection refused' in said
    assert "what a daemon left that ended" in said
    assert finding.remedy == f"sudo {mac.root / BREW} services restart socket_vmnet"
    assert finding.needs_root


def test_a_daemon_that_hangs_up_is_not_answering(mac):
    mac.remove(SOCKET)
    listener = mac.listen(SOCKET)

    def hang_up():
        listener.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    finding = mac.finding("socket_vmnet daemon")
    thread.join()
    listener.close()
    assert not finding.ok
    assert "Connection reset" in finding.seen


def test_a_socket_for_another_group_is_reported_with_whose_it_is(mac):
    """kubernetes/minikube#17615, lima-vm/socket_vmnet#8."""
    mac.monkeypatch.setattr(vmnet, "answers", lambda _: errno.EACCES)
    mac.monkeypatch.setattr(vmnet, "_owner", lambda _: vmnet.Owner("root", "wheel", "srwxrwx---"))
    finding = mac.finding("socket_vmnet daemon")
    said = printed(finding)
    assert "Permission denied; it is root:wheel, srwxrwx---" in said
    assert finding.fix[0] == "chown"
    assert finding.needs_root


def test_a_daemon_that_was_started_without_sudo_is_reported_by_whom(mac):
    mac.daemon.close()
    mac.monkeypatch.setattr(vmnet, "_owner", lambda _: vmnet.Owner("me", "staff", "srwxrwx---"))
    assert "started by me, without sudo" in mac.finding("socket_vmnet daemon").seen


def test_a_dead_socket_before_a_living_one_is_removed(mac):
    """minikube looks into /var/run first."""
    mac.listen("var/run/socket_vmnet").close()
    finding = mac.finding("socket_vmnet daemon")
    assert f"minikube takes it before {mac.root / SOCKET}" in finding.seen
    assert finding.fix == ("rm", str(mac.root / "var/run/socket_vmnet"))


def test_one_that_its_own_installer_put_there_is_restarted_by_launchd(mac):
    mac.put("opt/socket_vmnet/bin/socket_vmnet_client")
    mac.daemon.close()
    assert mac.finding("socket_vmnet daemon").fix[:3] == ("launchctl", "kickstart", "-kp")


def test_a_folder_that_is_closed_for_the_user_is_named(mac, monkeypatch):
    """kubernetes/minikube#16342: installed, and NOT_FOUND_SOCKET_VMNET all the same."""
    closed = mac.root / "opt/homebrew/opt/socket_vmnet"
    really, access = type(closed).stat, os.access
    refused = PermissionError(errno.EACCES, "Permission denied")

    def stat(self, **given):
        if closed in self.parents:
            raise refused
        return really(self, **given)

    monkeypatch.setattr(type(closed), "stat", stat)
    monkeypatch.setattr(os, "access", lambda path, mode, **given: path != closed and access(path, mode, **given))
    finding = mac.finding("socket_vmnet")
    assert finding.remedy == f"sudo chmod 755 {closed}"


# -- firewall ---------------------------------------------------------------------------------------------------------


def test_a_firewall_that_blocks_bootpd_would_leave_the_machine_without_address(mac):
    """kubernetes/minikube#15960, #19014."""
    mac.firewall("Firewall is enabled. (State = 1)", apps=BLOCKED)
    finding = mac.finding("firewall")
    assert (finding.fatal, finding.needs_root, finding.fix[:2]) == (True, True, ("sh", "-c"))
    said = printed(finding)
    assert "could not find an IP address" in said
    assert "socketfilterfw --add /usr/libexec/bootpd\n" in said
    assert "socketfilterfw --unblock /usr/libexec/bootpd" in said


@pytest.mark.parametrize(
    ("macos", "signed", "apps", "ok", "fatal"),
    [
        (15, "ENABLED.", "", True, True),  # minikube#20399: allowed, and not on the list
        (13, "ENABLED.", "", False, False),  # minikube#15960: blocked in practice, though it should not be
        (15, "DISABLED.", "", False, True),
        (15, "DISABLED.", BLOCKED.replace("Block", "Allow"), True, True),
        (
            14,
            "ENABLED.",
            "ALF: total number of apps = 1\n\n1 :  /usr/libexec/bootpd \n \t ( Allow",
            True,
            True,
        ),
    ],
)
def test_whether_bootpd_is_allowed_depends_on_the_list_and_from_macos_15_on_what_is_built_in(
    macos, signed, apps, ok, fatal
):
    state = firewall.parse(
        "Firewall is enabled. (State = 1)",
        "Block all DISABLED! \n",
        f"Automatically allow built-in signed software {signed}",
        apps,
    )
    finding = firewall.judge(state, "/x/socketfilterfw", macos)
    assert (finding.ok, finding.fatal) == (ok, fatal)


@pytest.mark.parametrize(
    ("state", "block_all"),
    [
        ("Firewall is blocking all non-essential incoming connections. (State = 2)", ""),
        ("Firewall is enabled. (State = 2)", ""),
        ("Firewall is enabled. (State = 1)", "Firewall has block all state set to enabled."),
        ("Firewall is enabled. (State = 1)", "Firewall is set to block all non-essential incoming connections"),
        ("Firewall is enabled. (State = 1)", "Block all ENABLED!"),
    ],
)
def test_blocking_everything_blocks_bootpd_too_and_is_the_users_to_switch_off(state, block_all):
    found = firewall.parse(state, block_all, "built-in signed software ENABLED.", "")
    finding = firewall.judge(found, "/x/socketfilterfw", 15)
    assert (finding.ok, finding.fatal, finding.fix) == (False, True, ())
    assert "--setblockall off" in finding.remedy


def test_on_a_managed_mac_no_command_is_offered_that_would_do_nothing(mac):
    """kubernetes/minikube#19680: it says so, and ends with 0."""
    managed = "Firewall settings cannot be modified from command line on managed Mac computers.\n"
    mac.firewall("Firewall is enabled. (State = 1)", signed="DISABLED.", apps=managed)
    finding = mac.finding("firewall")
    assert (finding.ok, finding.fix) == (False, ())
    assert "administrator" in finding.remedy


def test_a_firewall_that_is_off_is_no_matter(mac):
    assert mac.finding("firewall").seen == "off"


# -- Local Network ----------------------------------------------------------------------------------------------------


def lease(mac, address="192.168.105.4", name="other"):
    mac.has_profiles(profile(name, address, services="10.112.0.0/12"))
    mac.runs(name, address)
    return address


def test_a_machine_with_a_lease_that_cannot_be_reached_is_the_permissions_doing(mac):
    """kubernetes/minikube#23691."""
    mac.errnos[lease(mac)] = errno.EHOSTUNREACH
    mac.answers["ping -n -c 1 -t 2 192.168.105.4"] = "1 packets received"
    mac.monkeypatch.setenv("TERM_PROGRAM", "ghostty")
    finding = mac.finding("Local Network")
    assert finding.fatal
    said = printed(finding)
    assert "192.168.105.4 (profile other) runs and has its lease, yet: no route to host" in said
    assert "ghostty" in said
    assert "Privacy_LocalNetwork" in said


def test_one_that_answers_no_ping_either_may_only_be_too_busy(mac):
    """A virtual machine that was starved of processor and memory looks the same."""
    mac.errnos[lease(mac)] = errno.EHOSTUNREACH
    mac.answers["ping -n -c 1 -t 2 192.168.105.4"] = failing("0 packets received")
    finding = mac.finding("Local Network")
    assert (finding.ok, finding.fatal) == (False, False)
    assert "or the machine is too busy to answer" in printed(finding)


@pytest.mark.parametrize("failure", [0, errno.ECONNREFUSED])
def test_one_that_is_reached_proves_the_permission(mac, failure):
    mac.errnos[lease(mac)] = failure
    assert mac.finding("Local Network").ok


def test_an_answer_that_stays_out_proves_nothing(mac):
    lease(mac)
    finding = mac.finding("Local Network")
    assert (finding.ok, finding.fatal) == (False, False)


def test_a_machine_that_does_not_run_is_not_asked(mac):
    mac.errnos[lease(mac)] = errno.EHOSTUNREACH
    mac.remove("Users/me/.minikube/machines/other/qemu.pid")
    assert not mac.finding("Local Network").fatal


def test_macos_own_terminal_needs_no_permission(mac):
    mac.monkeypatch.setenv("TERM_PROGRAM", "Apple_Terminal")
    assert mac.finding("Local Network").ok


def test_before_macos_15_there_is_no_such_permission(mac):
    mac.answers["sw_vers -productVersion"] = "14.7.1\n"
    assert "Local Network" not in [finding.subject for finding in mac.findings()]


def test_leases_are_read_from_bootpds_file():
    text = "{\n\tname=minikube\n\tip_address=192.168.105.2\n\thw_address=1,a\n}\n{\n\tip_address=192.168.105.3\n}\n"
    assert local_network.leased(text) == {"192.168.105.2", "192.168.105.3"}


# -- memory, processors, disk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "ok", "fatal", "seen"),
    [
        ("8192mb", True, True, "8192 MiB of 16384 MiB"),
        ("15g", False, False, "leaves less than 2048 MiB"),
        ("32g", False, True, "this machine has 16384 MiB"),
        ("1024", False, True, "minikube needs at least 1800 MiB"),
    ],
)
def test_memory_is_compared_with_what_the_playbook_asks_for(mac, wanted, ok, fatal, seen):
    finding = mac.finding("memory", memory=wanted)
    assert (finding.ok, finding.fatal) == (ok, fatal)
    assert seen in finding.seen


@pytest.mark.parametrize(("wanted", "ok"), [(10, True), (11, False), (1, False)])
def test_so_are_processors(mac, wanted, ok):
    assert mac.finding("processors", cpus=wanted).ok is ok


@pytest.mark.parametrize(("free", "ok", "fatal"), [(100, True, True), (10, False, False), (3, False, True)])
def test_disk_is_wanted_for_the_machine_and_what_it_grows_to(mac, free, ok, fatal):
    mac.monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("U", (), {"free": free * GIB}))
    finding = mac.finding("disk")
    assert (finding.ok, finding.fatal) == (ok, fatal)


# -- routes -----------------------------------------------------------------------------------------------------------


def with_route(mac, *rows):
    mac.answers["netstat -nr -f inet"] = ROUTES + "".join(f"{row}\n" for row in rows)
    return mac.finding("routes")


def test_a_vpn_on_the_machines_network_is_in_the_way(mac):
    finding = with_route(mac, "192.168.105        10.9.0.1           UGSc                utun4")
    assert finding.fatal
    assert "192.168.105.0/24 by utun4 (10.9.0.1)" in printed(finding)


def test_macos_own_bridge_is_where_it_belongs(mac):
    assert with_route(mac, "192.168.105        link#20            UC              bridge100      !").ok


def test_a_tunnel_of_another_profile_would_be_a_conflicting_route(mac):
    """kubernetes/minikube#7900, #17645: it is this profile's range, too, since it was made with it."""
    mac.has_profiles(profile("unit-test", "192.168.105.9"), profile("old", "192.168.105.7"))
    finding = with_route(mac, "10.96/12           192.168.105.7      UGSc            bridge100")
    said = printed(finding)
    assert "conflicting route: 10.96.0.0/12" in said
    assert "tunnel of profile old" in said
    assert "sudo route -n delete 10.96.0.0/12" in said


def test_a_route_that_nobody_owns_is_a_tunnel_that_is_no_more(mac):
    assert "a tunnel that has ended" in with_route(mac, "10.96/12  192.168.105.7  UGSc  bridge100").seen


def test_the_profiles_own_tunnel_is_no_conflict(mac):
    mac.has_profiles(profile("unit-test", "192.168.105.9"))
    assert with_route(mac, "10.96/12           192.168.105.9      UGSc            bridge100").ok


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ("10.100/16          10.9.0.1           UGSc                utun4", "lies in 10.96.0.0/12"),
        ("10                 10.9.0.1           UGSc                utun4", "holds 10.96.0.0/12"),
    ],
)
def test_a_vpn_that_overlaps_the_services_is_worth_a_look(mac, row, seen):
    finding = with_route(mac, row)
    assert (finding.ok, finding.fatal) == (False, False)
    assert seen in finding.seen


def test_a_vpn_that_takes_everything_gives_way_to_the_tunnel(mac):
    assert with_route(mac, "0/1                10.9.0.1           UGSc                utun4").ok


def test_another_profile_that_runs_with_the_same_range_is_named(mac):
    mac.has_profiles(profile("unit-test", "192.168.105.9"), profile("other", "192.168.105.4"))
    mac.runs("other", "192.168.105.4")
    finding = mac.finding("other profiles")
    assert "other runs with the Services' range 10.96.0.0/12, too" in finding.seen
    assert finding.remedy == "minikube -p other stop"


@pytest.mark.parametrize(
    ("row", "network"),
    [
        ("127                127.0.0.1          UCS                   lo0", "127.0.0.0/8"),
        ("169.254            link#11            UCS                   en0      !", "169.254.0.0/16"),
        ("192.168.68.1/32    link#11            UCS                   en0      !", "192.168.68.1/32"),
        ("224.0.0/4          link#11            UmCS                  en0      !", "224.0.0.0/4"),
        ("10.248/14          10.9.0.1           UGSc                utun4", "10.248.0.0/14"),
    ],
)
def test_a_destination_is_completed_as_macos_shortened_it(row, network):
    header = "Destination        Gateway            Flags               Netif Expire\n"
    [found] = parse_table(header + row)
    assert str(found.network) == network


def test_older_tables_have_two_columns_more_and_the_default_route_is_left_out():
    text = (
        "Destination        Gateway            Flags        Refs      Use   Netif Expire\n"
        "default            10.10.10.1         UGSc           20       16     en0\n"
        "10.10.10/24        link#4             UCS             1        0  vmnet1\n"
    )
    assert [(str(route.network), route.link) for route in parse_table(text)] == [("10.10.10.0/24", "vmnet1")]


# -- Linux ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def linux(mac):
    mac.monkeypatch.setattr("platform.system", lambda: "Linux")
    mac.monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("minikube", "helm", "kubectl", "kubectl-argo-rollouts"):
        mac.put(f"opt/homebrew/bin/{name}", b"#!/bin/sh\n", mode=0o755)
    mac.put("proc/meminfo", b"MemTotal:       16384000 kB\n")
    mac.monkeypatch.setattr("os.cpu_count", lambda: 8)
    mac.remove(BREW)
    return mac


def test_on_linux_no_question_of_a_macs_is_asked(linux):
    linux.put("opt/homebrew/bin/qemu-system-x86_64", b"#!/bin/sh\n", mode=0o755)
    found = linux.findings()
    told = [finding.subject for finding in found]
    assert not {"firewall", "Local Network", "socket_vmnet", "qemu firmware", "routes"}.intersection(told)
    assert subjects(found) == ["Kubernetes version"]


def test_on_linux_a_missing_program_is_reported_with_where_to_get_it(linux):
    linux.remove("opt/homebrew/bin/minikube")
    finding = linux.finding("minikube")
    assert (finding.fix, "minikube.sigs.k8s.io" in finding.remedy) == ((), True)


def test_kvm_needs_its_device_and_libvirt(linux):
    assert "kvm" in linux.finding("driver", driver="kvm2").seen
    linux.put("dev/kvm")
    assert "libvirt isn't there" in linux.finding("driver", driver="kvm2").seen
    linux.put("opt/homebrew/bin/virsh", mode=0o755)
    assert linux.finding("driver", driver="kvm2").ok


def test_on_linux_without_homebrew_no_finding_names_it(linux):
    assert "Homebrew" not in [finding.subject for finding in linux.findings()]


def test_on_linux_sudo_that_is_missing_leaves_node_ports(linux):
    linux.remove("opt/homebrew/bin/sudo")
    finding = linux.finding("sudo")
    assert (finding.ok, finding.fatal) == (False, False)


# -- the connection to a virtual machine ------------------------------------------------------------------------------


def test_a_connection_is_tried_and_let_go_of():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert host.Host.connect("127.0.0.1", port) == 0
    assert host.Host.connect("127.0.0.1", port) == errno.ECONNREFUSED
