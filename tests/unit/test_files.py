from __future__ import annotations

import errno
import os
import stat
import tarfile

import pytest

from canarylab.files import delete, extract, link_file, link_tree, private_folder, write_private


@pytest.fixture
def tree(tmp_path):
    """A folder with a file, a folder in it, a link to the file and a link that leads nowhere."""
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "file").write_text("content")
    (source / "deep" / "meta.db").write_text("database")
    (source / "deep" / "er").chmod(0o710)
    (source / "link").symlink_to("file")
    (source / "dangling").symlink_to("nowhere")
    return source


def same(one, other):
    return os.path.samestat(one.lstat(), other.lstat())


def test_a_copy_of_a_tree_shares_its_files(tree, tmp_path):
    target = tmp_path / "target"
    link_tree(tree, target)
    assert same(tree / "file", target / "file")
    assert (target / "deep" / "meta.db").read_text() == "database"
    assert (target / "link").readlink().name == "file"
    assert (target / "dangling").is_symlink()
    assert stat.S_IMODE((target / "deep" / "er").stat().st_mode) == 0o710


def test_what_is_changed_in_place_can_be_copied_for_real(tree, tmp_path):
    target = tmp_path / "target"
    link_tree(tree, target, copied=(".db",))
    (target / "deep" / "meta.db").write_text("changed")
    assert (tree / "deep" / "meta.db").read_text() == "database"
    assert same(tree / "file", target / "file")


def test_a_real_copy_over_a_shared_file_leaves_the_shared_one_alone(tree, tmp_path):
    target = tmp_path / "target"
    link_tree(tree, target)
    (tree / "deep" / "meta.db").unlink()
    (tree / "deep" / "meta.db").write_text("newer")
    other = tmp_path / "other"
    os.link(target / "deep" / "meta.db", other)
    link_tree(tree, target, copied=(".db",))
    assert (target / "deep" / "meta.db").read_text() == "newer"
    assert other.read_text() == "database"


def test_what_is_there_is_replaced_and_never_written_through(tree, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (target / "file").symlink_to(precious)
    link_tree(tree, target)
    assert (target / "file").read_text() == "content"
    assert precious.read_text() == "precious"


def test_where_links_are_not_possible_files_are_copied(tree, tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tree / "file").chmod(0o750)
    link_file(tree / "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o750


def test_deleting_says_whether_there_was_anything(tree):
    assert delete(tree / "file")
    assert delete(tree)
    assert not delete(tree)


def test_deleting_a_link_leaves_what_it_leads_to(tree, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tree)
    assert delete(link)
    assert (tree / "file").exists()
    assert delete(tree / "dangling")


def test_a_private_file_is_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_who_reads_a_private_file_while_it_is_replaced_sees_the_old_one_whole(tmp_path):
    path = tmp_path / "file"
    write_private(path, "old")
    with path.open() as reader:
        write_private(path, "new")
        assert reader.read() == "old"


def test_a_private_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "file"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\udcff")
    assert path.read_text() == "old"


@pytest.fixture
def full(monkeypatch):
    """A disk on which no new file finds room; what is there can be written over."""
    really = os.open

    def no_room(path, flags, *rest):
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return really(path, flags, *rest)

    monkeypatch.setattr(os, "open", no_room)


def test_on_a_full_disk_what_is_shorter_is_written_over_what_is_there(tmp_path, full):  # noqa: ARG001
    path = tmp_path / "file"
    path.write_text("long content")
    write_private(path, "short")
    assert path.read_text() == "short"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("before", [None, "old"])
def test_on_a_full_disk_what_is_longer_or_new_is_refused_and_the_old_stays(tmp_path, full, before):  # noqa: ARG001
    path = tmp_path / "file"
    if before:
        path.write_text(before)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, "something longer")
    assert (path.read_text() if path.exists() else None) == before


def test_a_private_folder_is_made_with_all_above_it(tmp_path):
    private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    private_folder(tmp_path / "a" / "b")


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_an_archive_is_unpacked(tree, tmp_path):
    with tarfile.open(tmp_path / "tree.tar", "w") as tar:
        tar.add(tree, arcname="tree")
    extract(tmp_path / "tree.tar", tmp_path / "unpacked")
    assert sorted(one.name for one in (tmp_path / "unpacked/tree").rglob("*")) == sorted(
        one.name for one in tree.rglob("*")
    )


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python can't refuse it")
def test_what_leads_out_of_the_folder_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(tarfile.TarError):
        extract(tmp_path / "bad.tar", tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()


def test_on_another_filesystem_a_link_to_a_pipe_is_copied_as_a_link(tmp_path, monkeypatch):
    """An image's /dev/stderr, while the tool's own goes through a pipe."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "stderr").symlink_to(tmp_path / "pipe")

    def elsewhere(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", elsewhere)
    link_tree(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "stderr").readlink() == tmp_path / "pipe"
