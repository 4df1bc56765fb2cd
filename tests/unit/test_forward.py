"""Asking a port of a pod, against a server on the loopback that speaks as an API server and its kubelet do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.api_server import ApiServer, status
from support.port_forward import PortForward, Wire, http

from canarylab.errors import StageError
from canarylab.kube.client import ApiError, Cluster
from canarylab.kube.forward import PodPort

pytestmark = pytest.mark.timeout(30)

PATH = "/api/v1/namespaces/default/pods/p/portforward"
Respond = Callable[[Wire, str], None]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def cluster(api: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    connected = Cluster(api.kubeconfig(tmp_path), "unit-test")
    yield connected
    connected.close()


@pytest.fixture
def port(cluster: Cluster) -> Iterator[PodPort]:
    with PodPort(cluster, "default", "p", 15000) as asked:
        yield asked


@pytest.fixture
def serve(api: ApiServer) -> Callable[[Respond], PortForward]:
    def take_over(respond: Respond) -> PortForward:
        api.upgrade = PortForward(respond)
        return api.upgrade

    return take_over


def echo(wire: Wire, path: str) -> None:
    wire.data(http(path.encode()))


def first(wrong: Respond) -> Respond:
    """Wrong once, then right."""
    asked: list[str] = []

    def respond(wire: Wire, path: str) -> None:
        asked.append(path)
        (wrong if len(asked) == 1 else echo)(wire, path)

    return respond


class TestAnswers:
    def test_it_is_asked_for_by_the_pods_subresource_with_the_protocol_of_port_forwards(self, api, port, serve):
        forwarded = serve(echo)
        assert port.get("/stats?format=json") == b"/stats?format=json"
        assert (api.requests[-1].path, api.requests[-1].query) == (PATH, {"ports": "15000"})
        assert forwarded.protocols == ["v4.channel.k8s.io"]

    def test_one_connection_carries_one_question_after_the_other(self, port, serve):
        forwarded = serve(echo)
        assert [port.get(f"/{number}") for number in range(3)] == [b"/0", b"/1", b"/2"]
        assert forwarded.connections == 1

    def test_a_large_one_comes_in_messages_and_each_in_fragments(self, port, serve):
        large = bytes(range(256)) * 4096

        def respond(wire: Wire, _path: str) -> None:
            answer = http(large)
            for start in range(0, len(answer), 100_000):
                wire.data(answer[start : start + 100_000], fragments=7)

        serve(respond)
        assert port.get("/config_dump") == large

    def test_a_chunked_one_is_put_together(self, port, serve):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        forwarded = serve(lambda wire, _: wire.data(head + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"))
        assert (port.get("/"), port.get("/")) == (b"onetwo", b"onetwo")
        assert forwarded.connections == 1

    def test_one_that_ends_with_its_connection_is_whole_and_the_next_opens_another(self, port, serve):
        def respond(wire: Wire, path: str) -> None:
            wire.data(b"HTTP/1.0 200 OK\r\n\r\n" + path.encode())
            wire.close()

        forwarded = serve(respond)
        assert (port.get("/a"), port.get("/b")) == (b"/a", b"/b")
        assert forwarded.connections == 2

    def test_one_that_says_that_it_is_the_last_is_the_last(self, port, serve):
        forwarded = serve(lambda wire, path: wire.data(http(path.encode(), headers="Connection: close\r\n")))
        assert (port.get("/a"), port.get("/b")) == (b"/a", b"/b")
        assert forwarded.connections == 2

    def test_a_ping_is_answered(self, port, serve):
        pongs: list[bytes] = []

        def respond(wire: Wire, path: str) -> None:
            pongs.extend(wire.pongs)
            wire.ping(b"still there?")
            echo(wire, path)

        serve(respond)
        port.get("/a")
        port.get("/b")
        assert pongs == [b"still there?"]

    def test_a_message_without_a_channel_says_nothing(self, port, serve):
        def respond(wire: Wire, path: str) -> None:
            wire.nothing()
            echo(wire, path)

        serve(respond)
        assert port.get("/a") == b"/a"

    def test_json_is_read(self, port, serve):
        serve(lambda wire, _: wire.data(http(b'{"total": 3}')))
        assert port.json("/stats") == {"total": 3}


class TestRefusals:
    def test_what_the_error_channel_says_is_the_error(self, port, serve):
        refused = "error forwarding port 15000 to pod p: dial tcp4 127.0.0.1:15000: connect: connection refused\n"
        forwarded = serve(lambda wire, _: wire.error(refused))
        with pytest.raises(ApiError) as raised:
            port.get("/stats")
        assert str(raised.value) == f"Pod default/p, port 15000: {refused.strip()}"
        assert forwarded.connections == 1, "nothing was open before, so it isn't tried again"

    def test_an_upgrade_that_is_refused_says_what_the_api_server_said(self, api, port):
        api.replies[f"GET {PATH}"] = status(403, 'pods "p" is forbidden: cannot create resource "pods/portforward"')
        with pytest.raises(ApiError, match="cannot create resource") as raised:
            port.get("/stats")
        assert raised.value.code == 403

    def test_a_pod_that_is_gone_is_reported(self, port):
        with pytest.raises(ApiError) as raised:
            port.get("/stats")
        assert raised.value.code == 404

    def test_what_switches_to_no_websocket_is_refused(self, api, port):
        api.upgrade = PortForward(echo, accept=False)
        with pytest.raises(ApiError, match="WebSocket") as raised:
            port.get("/stats")
        assert raised.value.where == "Pod default/p, port 15000"
        assert api.upgrade.over.wait(10), "the connection was let go"

    def test_an_api_server_that_is_not_there_is_reported(self, cluster, port, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(cluster._http, "base_url", "http://127.0.0.1:9")
        with pytest.raises(ApiError, match="no answer from the cluster") as raised:
            port.get("/stats")
        assert raised.value.may_pass
        assert raised.value.where == f"GET {PATH}"

    @pytest.mark.parametrize("body", [b"invalid path", b"\xff\xfe not text"])
    def test_any_status_but_200_is_an_error_with_what_was_said(self, port, serve, body: bytes):
        serve(first(lambda wire, _: wire.data(http(body, status=404))))
        with pytest.raises(StageError) as raised:
            port.get("/nowhere")
        assert raised.value.where == "Pod default/p, port 15000"
        assert "/nowhere" in raised.value.what
        assert "404" in raised.value.what
        assert raised.value.why == body.decode(errors="replace")
        assert port.get("/stats") == b"/stats"

    def test_what_is_no_json_is_reported(self, port, serve):
        serve(lambda wire, _: wire.data(http(b"<html>")))
        with pytest.raises(StageError) as raised:
            port.json("/stats")
        assert isinstance(raised.value.__cause__, ValueError)
        assert "/stats" in raised.value.what

    def test_what_is_no_http_is_reported(self, port, serve):
        serve(lambda wire, _: wire.data(b"SSH-2.0-OpenSSH\r\n\r\n"))
        with pytest.raises(ApiError, match="no HTTP answer") as raised:
            port.get("/stats")
        assert raised.value.where == "Pod default/p, port 15000"


class TestCut:
    @pytest.mark.parametrize("end", [Wire.cut, Wire.close, lambda wire: wire.close(1011, "the node restarts")])
    def test_a_connection_that_was_cut_between_two_questions_is_opened_again(
        self, port, serve, end: Callable[[Wire], None]
    ):
        def answer_and_end(wire: Wire, path: str) -> None:
            echo(wire, path)
            end(wire)

        forwarded = serve(first(answer_and_end))
        assert (port.get("/a"), port.get("/b")) == (b"/a", b"/b")
        assert forwarded.connections == 2

    def test_one_that_is_cut_during_the_first_question_is_an_error(self, port, serve):
        forwarded = serve(lambda wire, _: wire.cut())
        with pytest.raises(ApiError, match="code 1006") as raised:
            port.get("/stats")
        assert raised.value.where == "Pod default/p, port 15000"
        assert forwarded.connections == 1

    def test_one_that_is_cut_every_time_is_an_error_after_the_second(self, port, serve):
        def once(wire: Wire, path: str) -> None:
            echo(wire, path) if path == "/a" else wire.cut()

        forwarded = serve(once)
        port.get("/a")
        with pytest.raises(ApiError, match="code 1006"):
            port.get("/b")
        assert (forwarded.connections, forwarded.paths) == (2, ["/a", "/b", "/b"])

    def test_after_an_error_the_next_question_opens_another(self, port, serve):
        forwarded = serve(first(lambda wire, _: wire.error("connection refused")))
        with pytest.raises(ApiError):
            port.get("/a")
        assert port.get("/b") == b"/b"
        assert forwarded.connections == 2

    def test_a_reason_that_is_given_is_reported(self, port, serve):
        serve(lambda wire, _: wire.close(1011, "the node restarts"))
        with pytest.raises(ApiError, match="the node restarts"):
            port.get("/stats")

    def test_a_pod_that_hangs_up_in_the_middle_of_its_answer_is_reported(self, port, serve):
        def half(wire: Wire, _path: str) -> None:
            wire.data(http(b"all of it")[:-3])
            wire.close()

        serve(half)
        with pytest.raises(ApiError, match="hung up before the end of its answer"):
            port.get("/stats")

    def test_a_pod_that_hangs_up_without_an_answer_is_reported(self, port, serve):
        serve(lambda wire, _: wire.close())
        with pytest.raises(ApiError, match="hung up before the end of its answer"):
            port.get("/stats")

    def test_silence_is_not_waited_for_without_end(self, cluster, serve):
        serve(lambda _wire, _path: None)
        port = PodPort(cluster, "default", "p", 15000, silence=0.05)
        with port, pytest.raises(ApiError, match="timed out"):
            port.get("/stats")


class TestClosing:
    def test_the_connection_ends_with_the_block(self, cluster, serve):
        forwarded = serve(echo)
        with PodPort(cluster, "default", "p", 15000) as port:
            port.get("/a")
            assert not forwarded.over.is_set()
        assert forwarded.over.wait(10)

    def test_where_nothing_was_asked_nothing_is_opened(self, cluster, serve):
        forwarded = serve(echo)
        with PodPort(cluster, "default", "p", 15000):
            pass
        assert forwarded.connections == 0

    def test_it_may_be_asked_again_afterwards(self, port, serve):
        forwarded = serve(echo)
        port.get("/a")
        port.close()
        assert port.get("/b") == b"/b"
        assert forwarded.connections == 2
