from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.minikube_world import event, recorded
from support.there import there

from canarylab.tools import minikube
from canarylab.tools.minikube import Minikube, StartOptions

MINIKUBE = Minikube("canary")


def test_start_names_every_value_and_leaves_the_current_context_alone():
    options = StartOptions("v1.36.3", "containerd", "8192mb", 4, "qemu", "socket_vmnet", "10.112.0.0/12")
    argv = MINIKUBE.start(options, wait_seconds=360)
    assert argv[:4] == ["minikube", "-p", "canary", "start"]
    assert {
        "--memory=8192mb",
        "--cpus=4",
        "--driver=qemu",
        "--network=socket_vmnet",
        "--kubernetes-version=v1.36.3",
        "--container-runtime=containerd",
        "--service-cluster-ip-range=10.112.0.0/12",
        "--keep-context",
        "--output=json",
        "--interactive=false",
        "--wait-timeout=360s",
    } <= set(argv)


def test_what_is_left_to_minikube_is_no_flag():
    argv = MINIKUBE.start(StartOptions("v1.36.3", "docker", "4g", 2), wait_seconds=60)
    assert not [word for word in argv if word.startswith(("--driver", "--network", "--service"))]


@pytest.mark.parametrize(
    ("runtime", "option"),
    [("docker", "--build-opt=build-arg=COLOR=blue"), ("containerd", "--build-opt=opt=build-arg:COLOR=blue")],
)
def test_each_builder_is_told_of_build_arguments_in_its_own_way(runtime, option):
    argv = MINIKUBE.image_build(Path("/app"), "localhost/a:b", {"COLOR": "blue"}, runtime)
    assert option in argv
    assert argv[-1] == "/app"


# -- status -----------------------------------------------------------------------------------------------------------


def test_the_status_of_a_running_cluster():
    [node] = minikube.parse_status(recorded("running").stdout)
    assert (node.host, node.kubelet, node.apiserver, node.kubeconfig, node.worker) == (
        *("Running", "Running", "Running", "Configured"),
        False,
    )


def test_the_status_of_several_nodes_is_an_array():
    one = json.loads(recorded("running").stdout)
    nodes = minikube.parse_status(json.dumps([one, {**one, "Name": "canary-m02", "Worker": True}]))
    assert [(node.name, node.worker) for node in nodes] == [("minikube", False), ("canary-m02", True)]


@pytest.mark.parametrize("output", ["null\n", "", recorded("status of nothing").stdout], ids=["null", "", "events"])
def test_without_a_machine_or_a_profile_there_are_no_nodes(output):
    assert minikube.parse_status(output) == []


# -- profiles ---------------------------------------------------------------------------------------------------------


def test_a_profile_says_what_it_was_made_with():
    profile = minikube.parse_profiles(recorded("one profile, light").stdout)["minikube"]
    assert (profile.driver, profile.memory, profile.cpus, profile.network) == ("none", 4096, 2, "")
    assert (profile.kubernetes, profile.container_runtime) == ("v1.36.3", "containerd")
    assert (profile.service_range, profile.addresses) == ("10.96.0.0/12", ("10.233.0.2",))
    assert not profile.is_unreachable


@pytest.mark.parametrize("name", ["no profiles", "invalid profiles", "invalid profiles, light"])
def test_what_dry_runs_leave_is_no_profile(name):
    assert minikube.parse_profiles(recorded(name).stdout) == {}


# -- events -----------------------------------------------------------------------------------------------------------


def test_every_line_of_a_recorded_start_is_an_event():
    events = [there(minikube.parse_event(line)) for line in recorded("start").stdout.splitlines()]
    steps = [event.step for event in events if event.kind == "step"]
    assert steps[0] == (0, 19)
    assert steps[-1] == (19, 19)


def test_a_detour_has_no_number():
    assert there(minikube.parse_event(event("step", currentstep="", totalsteps="19", message="Stopping"))).step is None


@pytest.mark.parametrize("line", ["", "OUTPUT: ", "ERROR: qemu", "{", "{}", '{"type": "io.x", "data": {}}', '{"a": 1}'])
def test_what_is_no_event_is_skipped(line):
    assert minikube.parse_event(line) is None


# -- reasons ----------------------------------------------------------------------------------------------------------


def test_the_reason_is_the_error_that_has_the_exit_code():
    call = recorded("socket_vmnet on Linux")
    reason = there(minikube.reason_of(call.stdout, call.exit))
    assert (reason.id, reason.message) == ("MK_USAGE", "The socket_vmnet network is only supported on macOS")


def test_refusals_that_force_overrode_are_no_reason():
    call = recorded("too little memory, forced")
    assert "RSRC_INSUFFICIENT_REQ_MEMORY" in call.stdout
    assert minikube.reason_of(call.stdout, call.exit) is None


def test_a_reason_in_plain_words_is_understood_too():
    call = recorded("second tunnel")
    reason = there(minikube.reason_of(call.stderr, call.exit))
    assert reason.id == "TUNNEL_ALREADY_RUNNING"
    assert reason.message.startswith("Another tunnel process is already running")


def test_the_links_of_a_reason_are_its_url_and_its_issues():
    line = event(
        "error", name="X", exitcode="80", message="m", advice="a", url="https://a/b", issues="https://c/1,https://c/2"
    )
    assert there(minikube.reason_of(line, 80)).links == ("https://a/b", "https://c/1", "https://c/2")


def test_what_minikube_complains_of_without_ending_is_kept():
    lines = [
        event("info", message="i"),
        event("error", message="Failed to delete cluster: x"),
        event("error", message=""),
    ]
    assert minikube.complaints("\n".join(lines)) == ["Failed to delete cluster: x"]


def test_events_are_shown_as_their_messages():
    assert minikube.plain(f"ERROR: qemu\n{event('info', message='Creating VM')}") == "ERROR: qemu\nCreating VM"


# -- images, tunnel ---------------------------------------------------------------------------------------------------


def test_images_are_listed_by_id_with_their_tags():
    first = minikube.parse_images(recorded("images").stdout)[0]
    assert first.id == "9f620210d4ad860582896db653f74692fd0ae516b3ae83d7e4aae67037854936"
    assert first.tags == ("localhost/k8s/pause:3.10", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.6")


@pytest.mark.parametrize("output", ["", "[]", "null"])
def test_where_nothing_runs_there_are_no_images(output):
    assert minikube.parse_images(output) == []


def test_the_tunnels_block_of_a_recorded_run():
    block = there(minikube.parse_tunnel(recorded("tunnel").stdout))
    assert (block.machine, block.pid, block.minikube) == ("minikube", 6483, "Running")
    assert (block.destination, block.gateway) == ("10.96.0.0/12", "10.233.0.2")
    assert (block.services, block.errors) == (("demo", "demo2"), {})


def test_the_last_whole_block_counts_and_its_errors_are_by_part():
    good = recorded("tunnel").stdout
    bad = good.replace("router: no errors", "router: conflicting route: 10.96.0.0/12").replace("[demo, demo2]", "[]")
    block = there(minikube.parse_tunnel(good + bad + "Status:\t\n\tmachine: mini"))
    assert block.errors == {"router": "conflicting route: 10.96.0.0/12"}
    assert block.services == ()


IFCONFIG = """bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
\toptions=3<RXCSUM,TXCSUM>
\tether 16:7d:da:4d:32:64
\tinet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255
\tConfiguration:
\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0
\tmember: vmenet0 flags=3<LEARNING,DISCOVER>
\t        ifmaxaddr 0 port 18 priority 0 path cost 0
\tmedia: autoselect
\tstatus: active
"""


def test_an_error_of_many_lines_is_read_as_one():
    """kubernetes/minikube#13749: all that ifconfig printed is the router's error."""
    block = minikube.parse_tunnel(
        "Status:\t\n\tmachine: canary\n\tpid: 14870\n\troute: 10.96.0.0/12 -> 192.168.64.7\n\tminikube: Running\n"
        "\tservices: []\n    errors: \n\t\tminikube: no errors\n"
        f"\t\trouter: couldn't find member in bridge100 interface: {IFCONFIG}\n\t\tloadbalancer emulator: no errors\n"
    )
    assert block is not None
    assert list(block.errors) == ["router"]
    assert block.errors["router"].startswith("couldn't find member in bridge100 interface: bridge100: flags=8a63")
    assert "member: vmenet0" in block.errors["router"]


def test_before_the_first_block_there_is_none():
    assert minikube.parse_tunnel("* Tunnel successfully started\n") is None


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [("8192mb", 8192), ("8192", 8192), ("8g", 8192), ("8GB", 8192), ("1048576k", 1024), ("2147483648b", 2048)],
)
def test_sizes_are_binary_as_minikube_reads_them(size, expected):
    assert minikube.mebibytes(size) == expected


@pytest.mark.parametrize("size", ["lots", "", "8tb", "-1"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="isn't a size"):
        minikube.mebibytes(size)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], None),
        (["10.112.0.0/12"], None),
        (["10.96.0.0/12"], "10.112.0.0/12"),
        (["10.96.0.0/16", "10.112.5.0/24"], "10.128.0.0/12"),
    ],
)
def test_a_profile_gets_a_service_range_that_no_other_has(taken, expected):
    assert minikube.free_service_range(taken) == expected
