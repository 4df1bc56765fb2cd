"""Packs of small made-up builds: what comes out of them, and what is refused of damaged, foreign and hostile ones."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import stat
import tarfile
from dataclasses import dataclass, field

import pytest
from support.fake_provider import FakeProvider
from support.oci_archives import AMD64, ARM64, archive, elf
from support.runs import context_of

from canarylab import pins
from canarylab.commands.programs import programs
from canarylab.commands.run import Options
from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import CanarylabError, CancelledError, MachineError, StageError, UsageError
from canarylab.files import delete
from canarylab.images.build import archive_of
from canarylab.lock import is_held
from canarylab.paths import cache_home
from canarylab.providers.embedded import EmbeddedProvider
from canarylab.providers.embedded.packs import checks, members, writing
from canarylab.providers.embedded.packs.zstandard import compressing, decompressing
from canarylab.providers.embedded.programs.built import built
from canarylab.stages.kinds.image import ImageOptions, ImageStage

SNAPSHOT = "store/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs"
TOOL = b"\x7fELF a program that two roots have"


def make_build(folder):
    """All parts of a build, with what a real one has: set-user bits, links, and a program that is in it twice."""
    files = {
        "argo-rollouts.json": b"[]",
        "gateway-api.json": b"[{}]",
        "bin/client": b"\x7fELF client",
        "charts/base-1.tgz": b"chart",
        "licences/components.json": b'[{"kind": "program", "name": "Envoy", "version": "1", "licence": "Apache-2.0"}]',
        "node/etc/empty": b"",
        "node/usr/bin/mount": b"mount",
        "node/usr/local/bin/kube": TOOL,
        f"{SNAPSHOT}/usr/local/bin/kube": TOOL,
        "store/meta.db": bytes(3000),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for name, target in {
        "bin/helm": "client",
        "node/bin": "usr/bin",
        "node/usr/bin/ip": "/bin/ip",
        f"{SNAPSHOT}/usr/bin": "local/bin",
    }.items():
        (folder / name).symlink_to(target)
    for name, mode in {"node/usr/bin/mount": 0o4755, "bin/client": 0o755, "store": 0o700, "node/etc": 0o555}.items():
        (folder / name).chmod(mode)
    (folder / "node/tmp").mkdir()
    (folder / "node/tmp").chmod(0o1777)


def described(folder):
    """All that is in a folder, and what it is like."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[path.relative_to(folder)] = (stat.filemode(status.st_mode), status.st_uid, status.st_rdev, content)
    return found


@pytest.fixture(autouse=True)
def home(isolated_home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return isolated_home


@pytest.fixture
def ctx(tmp_path):
    """A run whose playbook has one image."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Containerfile").write_text("FROM scratch")
    stage = ImageStage("image", ImageOptions.model_validate({"path": "app", "image": "localhost/app:blue"}))
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    return context_of(stage, provider=provider, base=tmp_path)


def image_of(ctx):
    return archive_of(ctx.playbook.stages[0].wanted(ctx), pins.architecture())


@pytest.fixture
def packs(ctx):
    """The packs of a cache in which everything is built."""
    make_build(built().folder)
    file = image_of(ctx)
    file.parent.mkdir(parents=True)
    machine = {"amd64": AMD64, "arm64": ARM64}[pins.architecture()]
    archive(file, {"app": elf(machine)}, architecture=pins.architecture(), entrypoint=["/app"])
    return ctx.provider.packs


@pytest.fixture
def packed(packs, ctx, tmp_path):
    """A pack; what it was made of is gone."""
    file = tmp_path / "programs.pack"
    packs.pack(ctx, file, None)
    delete(cache_home())
    return file


def left():
    """What there is in the cache, less folders and the empty file that runs lock."""
    return [path for path in cache_home().rglob("*") if not path.is_dir() and path.name != "lock"]


# -- there and back ---------------------------------------------------------------------------------------------------


def test_what_was_packed_comes_out_as_it_was(packs, ctx, tmp_path):
    before, image = described(built().folder), image_of(ctx).read_bytes()
    done = packs.pack(ctx, tmp_path / "pack", None)
    assert (done.size, done.changed) == ((tmp_path / "pack").stat().st_size, True)
    delete(cache_home())
    done = packs.unpack(ctx, tmp_path / "pack")
    assert done.changed
    assert described(built().folder) == before
    assert image_of(ctx).read_bytes() == image
    assert {path.name for path in built().folder.parent.iterdir()} == {built().folder.name, "lock"}


def test_two_packs_of_one_build_are_the_same_bytes_and_so_is_one_of_what_was_unpacked(packs, ctx, tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    packs.pack(ctx, first, None)
    for path in (built().folder / "bin" / "client", built().folder):
        os.utime(path, (1, 1))
    packs.pack(ctx, second, None)
    delete(cache_home())
    packs.unpack(ctx, second)
    packs.pack(ctx, third, None)
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    assert packs.unpack(ctx, third).sha256 == packs.pack(ctx, tmp_path / "fourth", None).sha256


def test_any_tar_shows_the_index_first_and_each_content_once(packed):
    with tarfile.open(fileobj=io.BytesIO(plain(packed))) as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json"))
    assert names[0] == "index.json"
    assert len(names) == len(set(names)) == len({entry.get("sha256") for entry in index["entries"]})
    assert index["versions"]["Kubernetes"] == pins.pins().kubernetes
    assert index["components"] == [{"kind": "program", "name": "Envoy", "version": "1", "licence": "Apache-2.0"}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_devices_of_a_root_come_out_as_they_were(packs, ctx, tmp_path):
    (built().folder / "node/dev").mkdir()
    os.mknod(built().folder / "node/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    before = described(built().folder)
    packs.pack(ctx, tmp_path / "pack", None)
    delete(cache_home())
    packs.unpack(ctx, tmp_path / "pack")
    assert described(built().folder) == before


def test_what_is_here_already_stays_as_it_is(packed, ctx):
    ctx.provider.packs.unpack(ctx, packed)
    (built().folder / "bin" / "client").write_text("mine")
    assert not ctx.provider.packs.unpack(ctx, packed).changed
    assert (built().folder / "bin" / "client").read_text() == "mine"


def test_an_image_that_is_missing_beside_the_programs_is_added(packed, ctx):
    ctx.provider.packs.unpack(ctx, packed)
    (built().folder / "bin" / "client").write_text("mine")
    image_of(ctx).unlink()
    assert ctx.provider.packs.unpack(ctx, packed).changed
    assert image_of(ctx).exists()
    assert (built().folder / "bin" / "client").read_text() == "mine"


def test_nobody_purges_or_builds_meanwhile(packed, ctx, monkeypatch):
    held = []
    monkeypatch.setattr(os, "chown", lambda *_, **__: held.append(is_held(built().folder.with_name("lock"))))
    ctx.provider.packs.unpack(ctx, packed)
    assert held
    assert all(held)


# -- what can't be packed ---------------------------------------------------------------------------------------------


def test_without_a_build_it_says_how_to_make_one(ctx, tmp_path):
    with pytest.raises(UsageError, match="aren't built") as refused:
        ctx.provider.packs.pack(ctx, tmp_path / "pack", None)
    assert refused.value.remedy == "invoke up --only programs"


def test_a_file_that_is_there_is_never_replaced(packs, ctx, tmp_path):
    (tmp_path / "pack").write_text("somebody's")
    with pytest.raises(UsageError, match="such a file already"):
        packs.pack(ctx, tmp_path / "pack", None)
    assert (tmp_path / "pack").read_text() == "somebody's"


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/amd64", "linux/riscv64", "windows"])
def test_another_platform_is_refused_with_where_to_go(packs, ctx, tmp_path, platform):
    if platform == f"linux/{pins.architecture()}":
        packs.pack(ctx, tmp_path / "pack", platform)
        return
    with pytest.raises(UsageError, match=f"programs for {platform} can't be packed here") as refused:
        packs.pack(ctx, tmp_path / "pack", platform)
    assert f"on a machine that is {platform}: `invoke up --only programs`" in (refused.value.remedy or "")
    assert not (tmp_path / "pack").exists()


def test_what_couldnt_be_unpacked_isnt_packed(packs, ctx, tmp_path):
    (built().folder / "bin" / "kubectl").symlink_to("/home/me/kubectl")
    with pytest.raises(StageError, match=r"(?s)can't be packed.*link that leads out.*remove it"):
        packs.pack(ctx, tmp_path / "pack", None)
    assert not list(tmp_path.glob("*pack*"))


def test_a_file_with_more_to_it_than_its_bytes_isnt_packed(packs, ctx, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "listxattr", lambda path, **_: ["security.capability"] if path.name == "client" else [])
    with pytest.raises(StageError, match=r"(?s)bin/client.*security\.capability"):
        packs.pack(ctx, tmp_path / "pack", None)


def test_a_file_that_changes_meanwhile_ends_it(packs, ctx, tmp_path, monkeypatch):
    real = writing.write

    def change(*given):
        (built().folder / "gateway-api.json").write_bytes(b"[{!]")
        real(*given)

    monkeypatch.setattr(writing, "write", change)
    with pytest.raises(StageError, match="changed while it was packed"):
        packs.pack(ctx, tmp_path / "pack", None)
    assert not list(tmp_path.glob("*pack*"))


# -- interrupted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(0, 60, 4))
@pytest.mark.parametrize("how", [KeyboardInterrupt, OSError])
def test_interrupted_anywhere_it_leaves_nothing_and_the_next_one_works(packed, ctx, monkeypatch, step, how):
    """Every call that writes may be the last: folders, files, owners, modes, the renames in the end."""
    calls = 0

    def counted(real):
        def call(*given, **named):
            nonlocal calls
            calls += 1
            if calls == step + 1:
                raise how("enough")
            return real(*given, **named)

        return call

    with monkeypatch.context() as patched:
        for module, name in [(os, "mkdir"), (os, "chown"), (os, "symlink"), (os, "chmod"), (os, "rename")]:
            patched.setattr(module, name, counted(getattr(module, name)))
        try:
            ctx.provider.packs.unpack(ctx, packed)
        except how:
            assert not built().folder.exists()
            assert {path.name for path in built().folder.parent.glob("*")} <= {"lock"}
    ctx.provider.packs.unpack(ctx, packed)
    assert built().is_complete
    assert image_of(ctx).exists()


def test_a_cancelled_run_leaves_nothing(packed, ctx):
    def cancel(event):
        if "unpacking" in getattr(event, "message", ""):
            ctx.cancel.set()

    ctx.emit = cancel
    with pytest.raises(CancelledError):
        ctx.provider.packs.unpack(ctx, packed)
    assert left() == []


def test_what_a_killed_one_left_is_removed(packed, ctx):
    leftover = built().folder.with_name(f"{built().folder.name}.unpacking") / "build" / "bin"
    leftover.mkdir(parents=True)
    (leftover / "client").write_text("half")
    ctx.provider.packs.unpack(ctx, packed)
    assert (built().folder / "bin" / "client").read_bytes() == b"\x7fELF client"
    assert not leftover.exists()


def test_where_there_is_no_room_for_a_pack_the_file_is_named_and_none_is_left(packs, ctx, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "write", full)
    with pytest.raises(MachineError) as raised:
        packs.pack(ctx, tmp_path / "pack", None)
    assert raised.value.where == str(tmp_path / "pack")
    assert "No space left on device" in raised.value.what
    assert list(tmp_path.glob("*pack*")) == []


def test_a_pack_that_is_interrupted_leaves_no_file(packs, ctx, tmp_path):
    def cancel(event):
        if "packing" in getattr(event, "message", ""):
            ctx.cancel.set()

    ctx.emit = cancel
    with pytest.raises(CancelledError):
        packs.pack(ctx, tmp_path / "pack", None)
    assert not list(tmp_path.glob("*pack*"))


# -- refused ----------------------------------------------------------------------------------------------------------


def plain(file):
    """The tar archive in a pack."""
    with decompressing(file.open("rb")) as stream:
        return stream.read()


@dataclass
class Forged:
    """A pack taken apart, to be put together as somebody else might."""

    index: dict
    contents: dict[str, bytes]
    """By the names of the archive's members."""
    after: bytes = members.END
    extra: list[bytes] = field(default_factory=list)
    """Members that follow the contents."""

    @classmethod
    def of(cls, file):
        with tarfile.open(fileobj=io.BytesIO(plain(file))) as tar:
            found = {name: content.read() for name in tar.getnames() if (content := tar.extractfile(name))}
        return cls(json.loads(found.pop("index.json")), found)

    def entry(self, path):
        return next(entry for entry in self.index["entries"] if entry["path"] == path)

    def add(self, **entry):
        self.index["entries"].append({"kind": "file", "mode": 0o644, **entry})
        self.index["entries"].sort(key=lambda one: one["path"].split("/"))

    def copy(self, **changed):
        """Add an entry that is like one that is there: with a content that the archive has."""
        self.add(**{**self.entry("build/bin/client"), **changed})

    def tar(self):
        raw = json.dumps(self.index).encode()
        wholes = [member("index.json", raw), *(member(*each) for each in self.contents.items()), *self.extra]
        return b"".join(wholes) + self.after

    def write(self, file):
        with compressing(file.open("wb")) as stream:
            stream.write(self.tar())


def member(name, content, size=None):
    return members.header(name, len(content) if size is None else size) + content + members.padding(len(content))


def special(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made.tobuf(tarfile.USTAR_FORMAT)


def swapped(forged, block):
    """The first content's header and bytes become `block`."""
    first = next(iter(forged.contents))
    forged.extra = [block, *(member(*each) for each in forged.contents.items() if each[0] != first)]
    forged.contents = {}


FORGERIES = {
    # foreign
    "another architecture": (
        lambda f: f.index.update(platform="linux/riscv64"),
        r"it is for linux/riscv64, and this machine is linux/",
    ),
    "another commit": (lambda f: f.index.update(digest="0" * 64), "built from other sources.*0000000000000000"),
    "another format": (lambda f: f.index.update(format="canarylab programs 2"), "another version of this tool"),
    "an index of something else": (lambda f: f.index.pop("digest"), "its index isn't one.*digest"),
    "another's images": (
        lambda f: f.copy(path="images/app/0123456789abcdef-amd64.tar"),
        "images that this checkout's playbooks don't ask for.*0123456789abcdef",
    ),
    "a part is missing": (lambda f: f.index["entries"].remove(f.entry("build/argo-rollouts.json")), "isn't a whole"),
    # paths
    "a path that leads out": (lambda f: f.copy(path="build/bin/../../../evil"), "path that leads out: build/bin/"),
    "a path that begins with dots": (lambda f: f.copy(path="../evil"), "path that leads out: ../evil"),
    "an absolute path": (lambda f: f.copy(path="/etc/cron.d/evil"), "absolute path: /etc/cron.d/evil"),
    "a path with a line break": (lambda f: f.copy(path="build/bin/a\nb"), "path that is none"),
    "a path that a terminal obeys": (
        lambda f: f.copy(path="build/bin/\x1b[2J"),
        r"path that is none: 'build/bin/\\x1b",
    ),
    "a platform that a terminal obeys": (lambda f: f.index.update(platform="linux/\x1b[2J"), "its index isn't one"),
    "a key that a terminal obeys": (lambda f: f.index.update({"\x1b[2J": 1}), r"its index isn't one.*'\\x1b"),
    "a name that a terminal obeys": (lambda f: swapped(f, member("\x1b[2J", b"x")), r"it has '\\x1b\[2J' where"),
    "a path outside of a build": (lambda f: f.copy(path="go/bin/go"), "no part of a build"),
    "a path in the build's folder": (lambda f: f.copy(path="build/evil"), "no part of a build"),
    "a path below a link": (lambda f: f.copy(path="build/node/bin/evil"), "in no folder of it"),
    "a path twice": (lambda f: f.copy(path="build/bin/client"), "build/bin/client twice"),
    "a path out of order": (lambda f: f.index["entries"].reverse(), "isn't sorted|in no folder"),
    # kinds
    "a link that leads out": (
        lambda f: f.add(path="build/bin/evil", kind="link", target="../../../../etc"),
        "link that leads out: build/bin/evil -> ",
    ),
    "a link out of its root": (
        lambda f: f.add(path="build/node/evil", kind="link", target="../store/meta.db"),
        "link that leads out",
    ),
    "an absolute link": (lambda f: f.add(path="build/bin/evil", kind="link", target="/etc/shadow"), "leads out"),
    "an absolute link where this tool writes": (
        lambda f: f.add(path="build/node/etc/containerd", kind="link", target="/usr/lib"),
        "leads out",
    ),
    "an absolute link out of usr": (
        lambda f: f.add(path="build/node/usr/evil", kind="link", target="/usr/../home"),
        "leads out",
    ),
    "a link in place of an image": (
        lambda f: f.add(path="images/app/evil", kind="link", target="app"),
        "link where none belongs",
    ),
    "a hard link": (lambda f: f.add(path="build/bin/evil", kind="hardlink", target="client"), "its index isn't one"),
    "a disk": (lambda f: f.add(path="build/bin/sda", kind="device", device=[8, 0]), r"device where none.*\(8:0\)"),
    "a disk that is called null": (
        lambda f: (
            f.add(path="build/node/dev", kind="folder"),
            f.add(path="build/node/dev/null", kind="device", device=[8, 0]),
        ),
        r"device where none belongs: build/node/dev/null \(8:0\)",
    ),
    "a program that sets the user": (lambda f: f.entry("build/bin/client").update(mode=0o4755), "set-user.*client"),
    "a folder that sets the group": (lambda f: f.entry("build/node/tmp").update(mode=0o2755), "set-group.*tmp"),
    "a digest of a folder": (lambda f: f.entry("build/bin").update(sha256="0" * 64), "no digest of|of what is no file"),
    # bombs
    "an index of terabytes": (lambda f: f.entry("build/bin/client").update(size=1 << 42), "more than a build has"),
    "a content that is said to be small": (
        lambda f: f.copy(path="build/bin/evil", size=1),
        "another size than a file of the same digest",
    ),
    "a content that is larger": (
        lambda f: swapped(f, member(next(iter(f.contents)), bytes(1 << 20))),
        "1,048,576 bytes, and 2 in its index",
    ),
    "a large index": (lambda f: f.index.update(versions={"x": "y" * (17 << 20)}), "its index is too large"),
    # contents
    "another content": (
        lambda f: f.contents.update({next(iter(f.contents)): b"{}"}),
        "isn't what its digest says",
    ),
    "a content too many": (lambda f: f.extra.append(member("evil", b"x")), "more in it than its index names: evil"),
    "a content twice": (
        lambda f: swapped(f, member(*next(iter(f.contents.items()))) * 2),
        r"it has sha256/\w+ twice",
    ),
    "a content too few": (lambda f: f.contents.popitem(), "it ends before sha256/"),
    "a content of another name": (lambda f: swapped(f, member("../../evil", b"x")), r"it has \.\./\.\./evil where"),
    "a link in place of a content": (
        lambda f: swapped(f, special("evil", tarfile.SYMTYPE, "/etc/shadow")),
        "a link, a device or a folder in place of a file: evil -> /etc/shadow",
    ),
    "a hard link in place of a content": (
        lambda f: swapped(f, special("evil", tarfile.LNKTYPE, "/etc/shadow")),
        "in place of a file: evil -> /etc/shadow",
    ),
    "a device in place of a content": (
        lambda f: swapped(f, special("evil", tarfile.BLKTYPE)),
        "in place of a file: evil",
    ),
    "a header of another tool": (
        lambda f: swapped(f, special("pax", tarfile.XHDTYPE)),
        "in place of a file: pax|where its index has",
    ),
    "something between": (
        lambda f: swapped(f, members.header(next(iter(f.contents)), 2) + b"[]" + b"x" * 510),
        "something between two of its members",
    ),
    "something after its end": (lambda f: setattr(f, "after", members.END + b"evil"), "follows after its end"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_one_is_refused_with_what_is_wrong_and_leaves_nothing(packed, ctx, what):
    forge, words = FORGERIES[what]
    forged = Forged.of(packed)
    forge(forged)
    forged.write(packed)
    refused(ctx, packed, words)


def refused(ctx, file, words):
    with pytest.raises(CanarylabError, match=f"(?s){words}") as error:
        ctx.provider.packs.unpack(ctx, file)
    assert "\x1b" not in str(error.value)
    assert error.value.where
    assert error.value.next_step
    assert left() == []
    assert not list(cache_home().parent.glob("*evil*"))
    assert not built().folder.exists()


def test_taken_apart_and_put_together_it_is_still_one(packed, ctx):
    """Or every forgery would be refused for nothing."""
    Forged.of(packed).write(packed)
    assert ctx.provider.packs.unpack(ctx, packed).changed


DAMAGES = {
    "cut short": (lambda raw: raw[:-200], "cut short"),
    "cut in its index": (lambda raw: raw[:60], "cut short"),
    "cut to nothing": (lambda _: b"", "isn't a pack of programs, but empty"),
    "a byte in the middle": (lambda raw: raw[: len(raw) // 2] + b"\xaa\x55" + raw[len(raw) // 2 + 2 :], "damaged|cut"),
    "something added": (lambda raw: raw + b"evil", "damaged, or something was added"),
    "gzip": (gzip.compress, "isn't a pack of programs, but gzip"),
    "a web page": (lambda _: b"<html>404 Not Found</html>", "isn't compressed by zstd"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_one_is_refused_and_leaves_nothing(packed, ctx, what):
    damage, words = DAMAGES[what]
    packed.write_bytes(damage(packed.read_bytes()))
    refused(ctx, packed, words)


def test_every_pack_that_ends_early_is_refused(packed, ctx):
    raw = packed.read_bytes()
    for length in range(0, len(raw), max(1, len(raw) // 40)):
        packed.write_bytes(raw[:length])
        refused(ctx, packed, "cut short|isn't a pack")


@pytest.mark.parametrize(("form", "begins"), [(tarfile.GNU_FORMAT, ", and begins with app"), (tarfile.PAX_FORMAT, "")])
def test_a_tar_of_something_else_is_refused(packed, ctx, tmp_path, form, begins):
    with tarfile.open(tmp_path / "other.tar", "w", format=form) as tar:
        tar.add(tmp_path / "app", "app")
    refused(ctx, tmp_path / "other.tar", "a tar archive that isn't compressed")
    with compressing(packed.open("wb")) as stream:
        stream.write((tmp_path / "other.tar").read_bytes())
    refused(ctx, packed, f"what is in it has no index.json{begins}$")


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_is_no_file_is_said_to_be_none(ctx, tmp_path, name):
    with pytest.raises(UsageError, match=r"no such file|is no file"):
        ctx.provider.packs.unpack(ctx, tmp_path / name)


def test_it_is_refused_where_there_is_no_room(packed, ctx, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    refused(ctx, packed, "no room for it")


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked():
    """The options that the command asked a run for."""
    return []


@pytest.fixture
def run(ctx, asked, monkeypatch):
    """The command, in a run that is there already."""

    def context(options, bus, _cancel):
        asked.append(options)
        ctx.emit = bus
        return ctx

    monkeypatch.setattr("canarylab.commands.run._context", context)

    def call(*words, output="text"):
        action, file = [*words, None, None][:2]
        return programs(Options(output=output), action, file and str(file), None)

    return call


@pytest.mark.usefixtures("packs")
def test_the_command_shows_packs_and_unpacks(run, asked, tmp_path, capsys):
    assert run() == 0
    assert "localhost/app:blue: built" in capsys.readouterr().out
    assert run("pack", tmp_path / "pack") == 0
    packed = capsys.readouterr().out
    delete(cache_home())
    assert run() == 0
    assert "not built" in capsys.readouterr().out
    assert run("unpack", tmp_path / "pack") == 0
    unpacked = capsys.readouterr().out
    assert "`invoke up demo` needs no network now" in unpacked
    assert packed.splitlines()[-1] == unpacked.splitlines()[-1]
    assert run("unpack", tmp_path / "pack") == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert all(options.everything for options in asked)


@pytest.mark.usefixtures("packs")
def test_the_command_speaks_json(run, tmp_path, capsys):
    assert run(output="json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["complete"], shown["images"]) == (True, {"localhost/app:blue": True})
    assert run("pack", tmp_path / "pack", output="json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["file"], told["platform"]) == (str(tmp_path / "pack"), f"linux/{pins.architecture()}")


@pytest.mark.parametrize("words", [("pakc", "x"), ("pack",), ("pack", "")])
def test_the_command_refuses_what_it_doesnt_know(run, words, capsys):
    assert run(*words) == 2
    assert "`invoke programs pack FILE`" in capsys.readouterr().out


def test_a_provider_that_builds_nothing_says_so(run, ctx, capsys):
    ctx.provider = FakeProvider()
    assert run() == 2
    assert "builds no programs" in capsys.readouterr().out


def test_only_root_unpacks(packed, ctx, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="only root") as refused:
        ctx.provider.packs.unpack(ctx, packed)
    assert f"invoke programs unpack {packed}" in (refused.value.remedy or "")


def test_the_real_names_of_debian_are_no_forgery():
    """Every absolute link that the roots of Debian 12 have."""
    for path, target in {
        "etc/rmt": "/usr/sbin/rmt",
        "dev/stdin": "/proc/self/fd/0",
        "dev/fd": "/proc/self/fd",
        "usr/sbin/ip": "/bin/ip",
        "usr/lib64/ld-linux-x86-64.so.2": "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    }.items():
        parents = ["build", "build/node"]
        parents += ["build/node/" + path[:i] for i, letter in enumerate(path) if letter == "/"]
        entries = [{"path": parent, "kind": "folder"} for parent in parents]
        entries.append({"path": f"build/node/{path}", "kind": "link", "target": target})
        checks.require_sound([checks.Entry.model_validate(entry) for entry in entries])
