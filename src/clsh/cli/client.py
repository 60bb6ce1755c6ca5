"""Ask the manager: `clsh.base.client`, which the library uses too, under the name of old."""

from __future__ import annotations

from clsh.base.client import BrokenOffError, NoManagerError, get, post, raw, socket_path

__all__ = ["BrokenOffError", "NoManagerError", "get", "post", "raw", "socket_path"]
