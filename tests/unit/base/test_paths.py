from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from clsh.base import paths
from clsh.base.errors import ConfigError


@pytest.fixture(params=[0, 1000], ids=["root", "person"])
def uid(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    number: int = request.param
    monkeypatch.setattr(os, "geteuid", lambda: number)
    return number


def found(environ: dict[str, str]) -> list[str]:
    return [
        str(folder(environ))
        for folder in (paths.config_dir, paths.state_dir, paths.cache_dir, paths.runtime_dir)
    ]


def test_without_variables(uid: int) -> None:
    assert found({"HOME": "/h"}) == (
        ["/etc/clsh", "/var/lib/clsh", "/var/cache/clsh", "/run/clsh"]
        if uid == 0
        else [
            "/h/.config/clsh",
            "/h/.local/state/clsh",
            "/h/.cache/clsh",
            f"{tempfile.gettempdir()}/clsh-1000",
        ]
    )


def test_variables_count_for_all(uid: int) -> None:
    names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    assert found({name: f"/x/{name}" for name in names}) == [f"/x/{name}/clsh" for name in names]
    assert found(dict.fromkeys(names, "relative")) == found({})


def test_a_session_directory_is_not_for_root(uid: int) -> None:
    where = paths.runtime_dir({"XDG_RUNTIME_DIR": "/run/user/7"})
    assert where == Path("/run/clsh" if uid == 0 else "/run/user/7/clsh")


def test_the_environment_of_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/mine")
    assert paths.state_dir() == Path("/mine/clsh")


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    longest = tmp_path / ("x" * (103 - len(str(tmp_path)) - 1))
    assert paths.for_socket(longest) == longest
    with pytest.raises(ConfigError, match="at most 103 bytes") as told:
        paths.for_socket(longest.with_name(longest.name + "x"))
    assert "XDG_RUNTIME_DIR" in told.value.hint
