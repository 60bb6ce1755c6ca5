"""Where files of clsh are: the XDG directories of a person, the system's for root.

For root, too, a variable that is set counts, except a session's XDG_RUNTIME_DIR: that ends
with the session. Nothing is made here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_RUNTIME = Path("/run/clsh")
_SESSIONS = Path("/run/user")
_LONGEST_SOCKET = 103  # macOS; Linux has 107


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where `clsh.toml` is looked for."""
    return _place(environ, "XDG_CONFIG_HOME", ".config", "/etc")


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where files are that must outlive a restart."""
    return _place(environ, "XDG_STATE_HOME", ".local/state", "/var/lib")


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where files are that may be deleted at any time."""
    return _place(environ, "XDG_CACHE_HOME", ".cache", "/var/cache")


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where sockets are; a person without XDG_RUNTIME_DIR has one by user id.

    That one is below a directory that others may write to: who makes it must refuse one
    that is not the user's own with mode 0700.
    """
    given = Path(environ.get("XDG_RUNTIME_DIR", ""))
    root = os.geteuid() == 0
    if given.is_absolute() and not (root and given.is_relative_to(_SESSIONS)):
        return given / "clsh"
    if root:
        return SYSTEM_RUNTIME
    import tempfile  # 8 ms that most starts do not need

    return Path(tempfile.gettempdir()) / f"clsh-{os.geteuid()}"


def for_socket(path: Path) -> Path:
    """Return `path`; raises ConfigError when it is longer than a Unix socket's may be (unix(7))."""
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise ConfigError(
            f"the path of a socket has at most {_LONGEST_SOCKET} bytes: {path} is too long",
            hint="set XDG_RUNTIME_DIR to a shorter directory that is yours alone",
        )
    return path


def _place(environ: Mapping[str, str], variable: str, below_home: str, for_root: str) -> Path:
    given = Path(environ.get(variable, ""))
    if given.is_absolute():  # XDG: a relative one is to be ignored
        return given / "clsh"
    if os.geteuid() == 0:
        return Path(for_root) / "clsh"
    return Path(environ.get("HOME") or Path.home()) / below_home / "clsh"
