from __future__ import annotations

import pytest
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
        "IF_BOOTPD_FIREWALL",
        "socketfilterfw --unblock /usr/libexec/bootpd",
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
        "LOCAL_NETWORK_PERMISSION",
        "Privacy & Security > Local Network",
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
        assert trap.remedy
        assert trap.text or trap.ids or trap.code is not None
