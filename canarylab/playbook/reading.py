"""From a path to what the file holds, or to the reason why that could be no playbook."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from canarylab.errors import PlaybookError
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.playbook_yaml import parse
from canarylab.yamlfile.problems import file_problem, problem

MAX_BYTES = 1024 * 1024
"""A playbook is a few kilobytes; whatever is larger than this was not meant to be one."""


def read_playbook(file: Path) -> Document:
    """Read a playbook or a part. Raises PlaybookError for what isn't YAML in a readable file of at most MAX_BYTES."""
    raw = _bytes(file)
    if b"\0" in raw:
        raise _not_text(file, raw.index(b"\0"), raw, "a NUL byte")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(file, error.start, raw, f"the byte 0x{raw[error.start]:02x}, which isn't UTF-8") from error
    return Document(file, parse(text, file), hashlib.sha256(raw).hexdigest())


def _bytes(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise file_problem(file, "is a directory, not a playbook", "name a .yaml file in it")
        if not stat.S_ISREG(mode):
            raise file_problem(file, "isn't a regular file", "write the playbook to a file and name that")
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise file_problem(file, "there is no such file", "check the path for a typo") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        remedy = "make it readable for yourself, or name another file"
        raise file_problem(file, f"can't be read: {reason}", remedy) from error
    if len(raw) > MAX_BYTES:
        what = f"is larger than {MAX_BYTES // 1024} KiB"
        raise file_problem(file, what, "name a playbook, which is a short YAML file")
    return raw


def _not_text(file: Path, position: int, raw: bytes, what: str) -> PlaybookError:
    line = raw.count(b"\n", 0, position) + 1
    return problem(file, line, (), f"isn't text: it holds {what}", "name a playbook; save it as UTF-8")
