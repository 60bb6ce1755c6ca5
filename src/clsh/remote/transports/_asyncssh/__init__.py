"""The parts of the asyncssh transport; whoever imports one gets asyncssh quickly."""

from clsh.remote.transports._asyncssh.quick import asyncssh

__all__ = ["asyncssh"]
