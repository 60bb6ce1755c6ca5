"""Man pages, completion scripts and catalogues fit the sources that they are made from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools import messages

from clsh.base.messages import tr

ROOT = Path(__file__).parents[2]
FIELDS = re.compile(r"\{(\w*)[^}]*\}")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def test_what_is_made_by_make_docs_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_messages_are_found() -> None:
    found = messages.found()
    assert "nodes/choose.py" in found["--hostfile option was not given"]
    assert "ERROR: {node} unreachable: {reason}" in found


def test_there_are_korean_and_chinese() -> None:
    assert {"ko", "zh_CN"} <= set(messages.languages())


@pytest.mark.parametrize("language", messages.languages())
def test_a_catalogue_is_complete_and_has_no_message_that_is_gone(language: str) -> None:
    translated = {message.id for message in messages.catalogue(language) if message.string}
    assert {str(text) for text in translated if text} == set(messages.found())


@pytest.mark.parametrize("language", messages.languages())
def test_a_translation_has_the_same_fields_and_is_safe_for_a_terminal(language: str) -> None:
    for message in messages.catalogue(language):
        if message.id:
            old, new = str(message.id), str(message.string)
            assert sorted(FIELDS.findall(old)) == sorted(FIELDS.findall(new)), old
            assert old.count("\n") == new.count("\n"), old
            assert not CONTROLS.search(new), old
            assert not message.fuzzy, old


def test_a_korean_locale_gives_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert tr("--hostfile option was not given") == "--hostfile 옵션이 제공되지 않았습니다"


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ({"LC_ALL": "ko_KR.UTF-8"}, "--hostfile 옵션이 제공되지 않았습니다"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": ""}, "--hostfile 옵션이 제공되지 않았습니다"),
        ({"LC_ALL": "zh_CN.UTF-8"}, "没有给出 --hostfile 选项"),
        ({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}, "--hostfile option was not given"),
        ({"LC_ALL": "fr_FR.UTF-8"}, "--hostfile option was not given"),
    ],
)
def test_the_command_speaks_the_language_of_the_locale(
    tmp_path: Path, locale: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("clsh"), "true"],
        cwd=tmp_path,
        env=os.environ | locale,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert said in done.stderr
    assert done.returncode == 2
