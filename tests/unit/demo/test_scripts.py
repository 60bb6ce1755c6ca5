from __future__ import annotations

import subprocess

import pytest

from clsh.demo import scripts


@pytest.mark.parametrize("name", ["HEAD", "START", "NODE"])
def test_a_script_is_posix_shell(name: str) -> None:
    text: str = getattr(scripts, name)
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("name", ["HEAD", "NODE"])
def test_a_script_ends_at_the_first_step_that_fails(name: str) -> None:
    text: str = getattr(scripts, name)
    assert "\nset -eu\n" in text


@pytest.mark.parametrize("name", ["HEAD", "START", "NODE"])
def test_no_network_namespace_gets_a_name(name: str) -> None:
    assert "netns add" not in getattr(scripts, name)
