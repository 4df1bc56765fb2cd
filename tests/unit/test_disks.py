"""A disk that is full or read-only: it is named, and so is what to do, wherever it is come upon."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from canarylab import disks
from canarylab.disks import faults, machine_trouble
from canarylab.errors import EXIT_MACHINE

ROOMY = {"f_frsize": 4096, "f_blocks": 1 << 20, "f_bfree": 1 << 19, "f_bavail": 1 << 19, "f_files": 9, "f_ffree": 9}


@pytest.fixture
def disk(monkeypatch):
    """Have every filesystem be so."""

    def be(**status):
        status = {**ROOMY, "f_flag": 0, **status}
        monkeypatch.setattr(os, "statvfs", lambda _folder: SimpleNamespace(**status))

    return be


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ({}, None),
        ({"f_bfree": 3, "f_bavail": 0}, "its filesystem of 4.0 GiB is full: 0 KiB are left"),
        ({"f_bfree": 0, "f_bavail": 0, "f_blocks": 4096}, "its filesystem of 16 MiB is full: 0 KiB are left"),
        ({"f_bfree": 4096, "f_bavail": 0}, "its filesystem of 4.0 GiB is full: 0 KiB are left"),
        ({"f_ffree": 0}, "its filesystem has no room for another file: all 9 are taken"),
        ({"f_files": 0, "f_ffree": 0}, None),
        ({"f_blocks": 0, "f_bfree": 0}, None),
        ({"f_flag": os.ST_RDONLY, "f_bfree": 0}, "its filesystem is mounted read-only"),
    ],
    ids=[
        "room",
        "full",
        "small and full",
        "ext4 keeps some",
        "no inodes",
        "btrfs counts none",
        "no size, such as of proc",
        "read-only",
    ],
)
def test_a_filesystem_on_which_nothing_can_be_written_is_named(disk, monkeypatch, tmp_path, status, what):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    disk(**status)
    assert [str(fault) for fault in faults([tmp_path / "not yet there"])] == ([f"{tmp_path}: {what}"] if what else [])


def test_what_is_kept_for_root_is_room_for_root_alone(disk, monkeypatch, tmp_path):
    disk(f_bavail=0)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert faults([tmp_path]) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert len(faults([tmp_path])) == 1


def test_one_filesystem_is_told_once(disk, tmp_path):
    disk(f_bfree=0, f_bavail=0)
    assert len(faults([tmp_path, tmp_path / "below"])) == 1


def test_by_default_all_folders_are_looked_at_that_a_run_writes_to(monkeypatch, isolated_home):
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert str(disks.homes()[-1]) == "/somewhere"
    monkeypatch.delenv("TMPDIR")
    assert str(disks.homes()[-1]) == "/tmp"
    assert [isolated_home in home.parents for home in disks.homes()[:2]] == [True, True]


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_nobody_who_asks_the_doctor_is_sent_to_the_doctor(number):
    trouble = machine_trouble(OSError(number, os.strerror(number), "/some/file"))
    assert trouble.exit_code == EXIT_MACHINE
    assert str(trouble).startswith(f"{os.strerror(number)}: /some/file\nnext: ")
    assert "doctor" not in str(trouble)


def test_an_error_that_says_no_place_is_told_with_the_filesystems_that_are_full(disk, monkeypatch, tmp_path):
    disk(f_bfree=0, f_bavail=0)
    monkeypatch.setattr(disks, "homes", lambda: (tmp_path,))
    assert str(machine_trouble(OSError(errno.ENOSPC, "No space left on device"))) == (
        f"No space left on device: {tmp_path}\nwhy: its filesystem of 4.0 GiB is full: 0 KiB are left\n"
        "next: free some there; `invoke teardown` needs no room, and gives back what the cluster takes"
    )


def test_where_none_is_full_any_more_none_is_named(disk):
    disk()
    assert str(machine_trouble(OSError(errno.ENOSPC, "No space left on device"))).startswith(
        "No space left on device\nnext: free some there"
    )
