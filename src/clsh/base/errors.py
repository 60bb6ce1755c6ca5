"""The one error tree: a class for each exit code, its docstring the general message.

Raise with what failed, on which node, and pass `hint` for what to do next. Only
`clsh.cli.render` turns an error into words and an exit code.
"""

from __future__ import annotations


class ClshError(Exception):
    """Something failed."""

    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or type(self).__doc__)
        self.hint = hint


class UsageError(ClshError):
    """The command line cannot be understood."""

    exit_code = 2


class SomeFailedError(ClshError):
    """Some nodes failed."""

    exit_code = 3


class ConfigError(ClshError):
    """The configuration cannot be used."""

    exit_code = 10


class NotAllowedError(ClshError):
    """This is not allowed."""

    exit_code = 11


class NodeError(ClshError):
    """A node failed; `node` is its name and `reason` says why, without the name."""

    state = "failed"

    def __init__(self, node: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{node} {self.state}: {reason}", hint=hint)
        self.node = node
        self.reason = reason


class NodeLostError(NodeError):
    """The connection to a node died after it had been opened."""

    exit_code = 12
    state = "connection lost"


class UnreachableError(NodeError):
    """A node could not be reached in the first place."""

    exit_code = 13
    state = "unreachable"


class DeadlineError(NodeError):
    """A command ran longer than it was allowed to."""

    exit_code = 124
    state = "timed out"


class StoppedError(ClshError):
    """Stopped by a signal; `signum` is its number."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.exit_code = 128 + signum
