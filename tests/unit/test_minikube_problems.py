from __future__ import annotations

import platform

import pytest
from support.fake_runner import FakeRunner
from support.minikube_world import event, recorded
from support.runs import context_of

from canarylab.errors import MachineError, StageError
from canarylab.providers.minikube import problems
from canarylab.providers.minikube.problems import advice_for, explain, failure

CONTEXT = context_of(profile="canary")

SIGNS = [
    (15, "NOT_FOUND_SOCKET_VMNET", "", "NOT_FOUND_SOCKET_VMNET", "brew install socket_vmnet"),
    (
        80,
        "GUEST_PROVISION",
        'ERROR: Failed to connect to "/opt/homebrew/var/run/socket_vmnet": Connection refused',
        "SOCKET_VMNET_NOT_RUNNING",
        "brew services start socket_vmnet",
    ),
    (
        80,
        "GUEST_PROVISION",
        'Failed to connect to "/opt/homebrew/var/run/socket_vmnet": Permission denied',
        "SOCKET_VMNET_DENIED",
        "ls -l",
    ),
    (60, "PR_QEMU_SOCKET_VMNET_DENIED", "", "SOCKET_VMNET_DENIED", "ls -l"),
    (
        80,
        "GUEST_PROVISION",
        "ip not found: could not find an IP address for 46:0:12:34:56:78",
        "NO_ADDRESS",
        "invoke doctor",
    ),
    (70, "IF_BOOTPD_FIREWALL", "", "IF_BOOTPD_FIREWALL", "socketfilterfw --add /usr/libexec/bootpd"),
    (
        70,
        "IF_BOOTPD_FIREWALL",
        "Firewall settings cannot be modified from command line on managed Mac computers.",
        "MANAGED_FIREWALL",
        "whoever manages it",
    ),
    (
        72,
        "IF_SSH_TIMEOUT",
        "dial tcp 192.168.105.3:22: connect: no route to host",
        "NO_ROUTE_TO_HOST",
        "invoke up",
    ),
    (
        80,
        "GUEST_PROVISION",
        "qemu-system-x86_64: -accel hvf: Unknown Error",
        "WRONG_ARCHITECTURE",
        "brew install minikube qemu",
    ),
    (
        80,
        "GUEST_PROVISION",
        "qemu-system-aarch64: invalid accelerator hvf",
        "WRONG_ARCHITECTURE",
        "brew install minikube qemu",
    ),
    (
        80,
        "GUEST_START",
        "apiserver healthz never reported healthy: context deadline exceeded\n10.0.2.15",
        "OLD_NETWORK",
        "invoke up --recreate",
    ),
    (111, "TUNNEL_ALREADY_RUNNING", "", "TUNNEL_ALREADY_RUNNING", "invoke tunnel status"),
    (
        110,
        "SVC_TUNNEL_START",
        "another tunnel is already running, shut it down first",
        "TUNNEL_ALREADY_RUNNING",
        "Ctrl-C",
    ),
    (0, "", "conflicting route: 10.96.0.0/12", "CONFLICTING_ROUTE", "service_cluster_ip_range"),
    (65, "PROVIDER_QEMU2_NOT_FOUND", "", "PROVIDER_QEMU2_NOT_FOUND", "brew install qemu"),
    (56, "DRV_UNSUPPORTED_OS", "", "DRV_UNSUPPORTED_OS", "choose another `driver`"),
    (55, "DRV_NOT_DETECTED", "", "DRV_NOT_DETECTED", "`driver`"),
    (57, "DRV_AS_ROOT", "", "DRV_AS_ROOT", "without sudo"),
    (23, "RSRC_INSUFFICIENT_REQ_MEMORY", "", "RSRC_INSUFFICIENT_MEMORY", "`memory`"),
    (29, "RSRC_INSUFFICIENT_CORES", "", "RSRC_INSUFFICIENT_CORES", "`cpus`"),
    (10, "RSRC_OVER_ALLOC_MEM", "", "RSRC_OVER_ALLOC_MEM", "`memory`"),
    (81, "GUEST_DRIVER_MISMATCH", "", "GUEST_DRIVER_MISMATCH", "invoke up --recreate"),
    (106, "K8S_DOWNGRADE_UNSUPPORTED", "", "K8S_DOWNGRADE_UNSUPPORTED", "invoke up --recreate"),
    (106, "K8S_OLD_UNSUPPORTED", "", "K8S_UNSUPPORTED", "`kubernetes`"),
    (83, "", "", "NOT_RUNNING", "invoke up"),
    (85, "", "", "NO_PROFILE", "invoke up"),
    (103, "", "", "APISERVER_DOWN", "invoke up"),
    (
        80,
        "GUEST_PROVISION",
        "creating host: create: creating: qemu-system-aarch64: Property 'host-arm-cpu.sme' not found: exit status 1",
        "QEMU_TOO_OLD",
        "brew upgrade qemu",
    ),
    (80, "GUEST_PROVISION", "Property 'max-arm-cpu.sve' not found", "QEMU_TOO_OLD", "driver: vfkit"),
    (
        80,
        "GUEST_PROVISION",
        "ERROR:../target/arm/hvf/sysreg.c.inc:149:hvf_arch_init_vcpu:\n  assertion failed: (HV_SYS_REG_SMCR_EL1 == x)",
        "QEMU_AND_HYPERVISOR",
        "brew upgrade qemu",
    ),
    (
        80,
        "GUEST_PROVISION",
        "Error: ret = HV_BAD_ARGUMENT (0xfae94003, at ../target/arm/hvf/hvf.c:1075)",
        "QEMU_AND_HYPERVISOR",
        "driver: vfkit",
    ),
    (80, "GUEST_PROVISION", "start(): vmnet_return_t VMNET_FAILURE", "VMNET_REFUSED", "restart the Mac"),
    (80, "GUEST_PROVISION", "ERROR| vmnet_start_interface: [1001] VMNET_FAILURE", "VMNET_REFUSED", "invoke doctor"),
    (80, "GUEST_PROVISION", "start(): vmnet_return_t 1009", "VMNET_SHARING_BUSY", "Internet Sharing off"),
    (
        80,
        "GUEST_PROVISION",
        "getting MAC address from UUID: vmnet: error from vmnet.framework: -1",
        "VMNET_REFUSED",
        "invoke doctor",
    ),
    (0, "", "couldn't find member in bridge100 interface: bridge100: flags=8a63", "BRIDGE_WITHOUT_MEMBER", "ifconfig"),
    (80, "NOT_FOUND_VMNET_HELPER", "", "NOT_FOUND_VMNET_HELPER", "brew install vmnet-helper"),
    (80, "NOT_CONFIGURED_VMNET_HELPER", "", "NOT_CONFIGURED_VMNET_HELPER", "`network: nat`"),
    (80, "GUEST_PROVISION", 'unsupported network: "socket_vmnet"', "UNSUPPORTED_NETWORK", "`vmnet-shared`"),
    (
        0,
        "",
        'Get "https://192.168.105.4:8443/api/v1/services": net/http: TLS handshake timeout',
        "API_SERVER_SLOW",
        "`minikube logs`",
    ),
    (1, "", "[sudo route -n add] requires a password, and --interactive=false", "SUDO_PASSWORD", "sudo -v"),
]


@pytest.mark.parametrize(("code", "reason", "text", "expected", "remedy"), SIGNS, ids=[f"{s[1]}-{s[3]}" for s in SIGNS])
def test_each_sign_is_recognised_and_says_what_to_do(code, reason, text, expected, remedy):
    problem = explain(code, reason, text)
    assert problem.name == expected
    assert problem.why
    assert remedy in problem.remedy_for(CONTEXT)


def test_a_daemon_that_macos_refuses_is_not_only_started_again():
    """The log is a hint beside minikube's own words, which know of a connection that was refused only."""
    printed = 'Failed to connect to "/opt/homebrew/var/run/socket_vmnet": Connection refused'
    refused = "start(): vmnet_return_t VMNET_FAILURE"
    error = failure("start the cluster", printed, 80, CONTEXT, hints=[refused, "Internet Sharing is on"])
    assert "switch Internet Sharing off" in str(error.remedy)
    error = failure("start the cluster", printed, 80, CONTEXT, hints=[refused])
    assert "restart the Mac" in str(error.remedy)
    assert "services start" in str(failure("start the cluster", printed, 80, CONTEXT).remedy)


def test_what_is_not_known_has_no_explanation():
    assert explain(80, "GUEST_CERT", "x509: something") == problems.Problem("GUEST_CERT")


def test_a_general_exit_code_explains_nothing_where_minikube_gave_a_reason():
    assert explain(106, "K8S_INVALID_CERT_HOSTNAME", "").why == ""


# -- causes that have to be checked -----------------------------------------------------------------------------------

NO_ROUTE = "ssh: dial tcp 192.168.105.4:22: connect: no route to host"
PERMISSION = "this terminal isn't allowed to reach it"


def told(monkeypatch, said, *, macos="", ping=None):
    """What is said of it on that macOS, or on Linux, where a ping of the machine ends with that code."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin" if macos else "Linux")
    monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), ""))
    line = f"ping -n -c 1 {'-t' if macos else '-w'} 2 192.168.105.4"
    runner = FakeRunner({} if ping is None else {line: ping})
    return failure("start the cluster", said, 80, context_of(profile="canary", runner=runner))


def test_a_machine_that_answers_a_ping_is_kept_from_the_terminal_by_macos(monkeypatch):
    error = told(monkeypatch, NO_ROUTE, macos="15.3", ping=0)
    assert error.why.startswith(PERMISSION)
    assert "likeliest" not in error.why
    assert error.remedy.startswith("System Settings > Privacy & Security > Local Network")


def test_one_that_answers_no_ping_may_be_starved_as_well(monkeypatch):
    error = told(monkeypatch, NO_ROUTE, macos="15.3", ping=2)
    assert "the likeliest causes, in this order: (1) this terminal isn't allowed" in error.why
    assert "(2) it doesn't answer in time" in error.why
    assert "(3) a VPN or a firewall" in error.why
    assert "(1) System Settings" in error.remedy
    assert "(2) end other programs" in error.remedy


@pytest.mark.parametrize(("macos", "ping"), [("", 0), ("", 1), ("14.7.1", 1)])
def test_a_permission_that_this_system_does_not_have_is_not_the_cause(monkeypatch, macos, ping):
    """Seen on Linux: the virtual machine was starved."""
    error = told(monkeypatch, NO_ROUTE, macos=macos, ping=ping)
    assert PERMISSION not in error.why
    assert "Local Network" not in error.remedy
    assert "it doesn't answer in time" in error.why
    assert ("VPN" in error.why) == bool(ping)


def test_the_words_of_ssh_are_recognised_as_those_of_go(monkeypatch):
    said = "ssh: connect to host 192.168.105.4 port 22: No route to host"
    assert told(monkeypatch, said, macos="15.3", ping=0).why.startswith(PERMISSION)


def test_a_registry_that_cannot_be_reached_is_not_the_virtual_machine(monkeypatch):
    said = 'Get "https://registry.k8s.io/v2/": dial tcp 34.96.108.209:443: connect: no route to host'
    assert "virtual machine" not in told(monkeypatch, said, macos="15.3").why


def test_a_ping_that_cannot_be_tried_rules_nothing_out(monkeypatch):
    def missing():
        raise MachineError("ping isn't on this machine")

    assert "(1) this terminal isn't allowed" in told(monkeypatch, NO_ROUTE, macos="15.3", ping=missing).why


def test_a_firewall_that_minikube_has_not_looked_at_is_one_of_several(monkeypatch):
    lease = "ip not found: could not find an IP address for 46:0:12:34:56:78"
    error = told(monkeypatch, lease, macos="15.3")
    assert "(1) macOS' firewall keeps bootpd" in error.why
    assert "socketfilterfw --unblock" in error.remedy
    assert "firewall" not in told(monkeypatch, lease).why


def test_a_firewall_that_minikube_has_looked_at_is_the_cause(monkeypatch):
    line = event("error", name="IF_BOOTPD_FIREWALL", exitcode="80", message="could not find an IP address for 46:0:1")
    error = told(monkeypatch, line, macos="15.3")
    assert "likeliest" not in error.why
    assert "macOS' firewall keeps bootpd" in error.why


def test_an_exit_code_that_minikube_has_for_several_reasons_names_none():
    """57 is DRV_AS_ROOT and DRV_NEEDS_ROOT, which is the contrary (pkg/minikube/reason/reason.go)."""
    for code in (55, 56, 57, 65, 81, 106):
        assert explain(code, "", "").why == ""


def test_a_recorded_refusal_becomes_an_error_with_its_id_and_words():
    call = recorded("socket_vmnet on Linux")
    error = failure("start the cluster", call.stdout, call.exit, CONTEXT)
    assert isinstance(error, MachineError)
    assert "MK_USAGE" in error.what
    assert "The socket_vmnet network is only supported on macOS" in str(error.why)
    assert "`network`" in str(error.remedy)


def test_a_recorded_usage_error_shows_what_was_printed():
    call = recorded("unknown flag")
    error = failure("start the cluster", call.stderr, call.exit, CONTEXT)
    assert isinstance(error, StageError)
    assert "unknown flag: --nonsense" in str(error.why)
    assert error.remedy


def test_advice_links_and_our_explanation_are_all_reported():
    line = event(
        "error",
        name="GUEST_DRIVER_MISMATCH",
        exitcode="81",
        message="The existing cluster was created using the docker driver",
        advice="Delete the existing cluster using: 'minikube delete{{.profile}}'",
        url="https://minikube.sigs.k8s.io/docs/",
        issues="https://github.com/kubernetes/minikube/issues/1",
    )
    error = failure("start the cluster", f"noise\n{line}", 81, CONTEXT)
    assert "created using the docker driver" in str(error.why)
    assert "'minikube delete -p canary'" in str(error.remedy)
    assert "https://minikube.sigs.k8s.io/docs/" in str(error.remedy)
    assert "issues/1" in str(error.remedy)
    assert "{{" not in str(error)


def test_a_reason_without_words_is_explained_all_the_same():
    line = event("error", name="NOT_FOUND_SOCKET_VMNET", exitcode="15", message="", advice="", url="", issues="")
    error = failure("start the cluster", line, 15, CONTEXT)
    assert "NOT_FOUND_SOCKET_VMNET" in error.what
    assert "isn't installed" in str(error.why)


def test_hints_from_elsewhere_help_to_recognise_a_trap():
    output = event("error", name="GUEST_START", exitcode="80", message="apiserver healthz never reported healthy")
    assert "10.0.2.15" not in output
    assert "builtin network" in str(failure("start", output, 80, CONTEXT, hints=["10.0.2.15"]).why)
    assert "builtin network" not in str(failure("start", output, 80, CONTEXT).why)


def test_a_minikube_that_was_killed_says_its_last_step_and_no_json():
    error = failure(
        "start the cluster", event("step", message="Creating VM", currentstep="9", totalsteps="19"), -9, CONTEXT
    )
    assert "signal 9" in error.what
    assert error.why == "Creating VM"


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("minikube delete{{.profile}}", "minikube delete -p canary"),
        ("minikube delete {{.profile}}", "minikube delete -p canary"),
        ("minikube start -p {{.profile}} --driver=x", "minikube start -p canary --driver=x"),
        ("1) a\n\t  b", "1) a b"),
    ],
)
def test_the_profile_that_minikube_forgets_is_filled_in(advice, expected):
    assert advice_for(advice, "canary") == expected


def test_every_machine_problem_and_every_other_has_words():
    for trap in problems._TRAPS:
        assert trap.why
        assert trap.remedy or (trap.causes and all(cause.why and cause.remedy for cause in trap.causes))
        assert trap.text or trap.ids or trap.code is not None
