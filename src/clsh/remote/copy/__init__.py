"""Copy files and directories to nodes and from them, as work for a fan-out."""

from clsh.remote.copy.get import get
from clsh.remote.copy.put import put

__all__ = ["get", "put"]
