from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.base.config import load as load_config
from clsh.base.errors import ConfigError
from clsh.jobs.sent.store import Bounds
from clsh.jobs.settings import Settings, load

if TYPE_CHECKING:
    from pathlib import Path


def loaded(directory: Path, text: str) -> Settings:
    file = directory / "clsh.toml"
    file.write_text(text)
    return load(load_config({"CLSH_CONFIG": str(file)}))


def test_nothing_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Settings("remote", "", 90, 100_000)


def test_all_said(tmp_path: Path) -> None:
    text = """
        [jobs]
        engine = "memory"
        spool = "/var/spool/clsh"
        keep_days = 7
        keep_jobs = 50
        notify = ["chat", "mail", "chat"]
        notify_hours = 3
        send_limit = "1M"
        send_quota = "3G"
        send_keep_days = 2
        slots = {"node[1-2]" = 8, gpu1 = 0}
        [jobs.memory]
        colour = "red"
        [notify.mail]
        kind = "smtp"
        [notify.chat]
        kind = "webhook"
    """
    slots = {"node1": 8, "node2": 8, "gpu1": 0}
    told = ("chat", "mail"), 3, Bounds(1 << 20, 3 << 30, 2)
    expected = Settings("memory", "/var/spool/clsh", 7, 50, slots, *told, {"colour": "red"})
    assert loaded(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs = 1", r"clsh.toml:1: jobs must be a table"),
        ('[jobs]\nengin = "x"', r"clsh.toml:2: jobs.engin: unknown key"),
        ("[jobs.nowhere]\nx = 1", r"jobs.nowhere: unknown key"),
        ('[jobs]\nengine = "nowhere"', r"clsh.toml:2: jobs.engine must be one of: .*memory"),
        ('[jobs]\nspool = "here"', r"jobs.spool must be a directory on the nodes"),
        ("[jobs]\nkeep_days = 0", r"jobs.keep_days must be a whole number from 1"),
        ("[jobs]\nkeep_jobs = true", r"jobs.keep_jobs must be a whole number"),
        ('[jobs]\nnotify = "ops"', r"jobs.notify must be a list of names of channels"),
        ('[jobs]\nnotify = ["ops"]', r"channels \(none is there, add \[notify.NAME\]\)"),
        ('[jobs]\nnotify = ["ops"]\n[notify.chat]', r"names of channels \(chat\)"),
        ("notify = 1\n[jobs]\nnotify = [1]", r"jobs.notify must be"),
        ("[jobs]\nsend_limit = 5", r"jobs.send_limit must be a size such as"),
        ('[jobs]\nsend_quota = "much"', r"jobs.send_quota must be a size such as"),
        ("[jobs]\nnotify_hours = 0", r"jobs.notify_hours must be a whole number from 1"),
        ("[jobs]\nslots = 3", r"jobs.slots must be a table"),
        ("[jobs.slots]\nn1 = -1", r"jobs.slots.n1 must be a whole number from 0"),
        ('[jobs.slots]\n"n[1-" = 1', r"jobs.slots"),
    ],
)
def test_what_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, text)
