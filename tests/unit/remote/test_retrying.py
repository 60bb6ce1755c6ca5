"""A node is tried again only where that may help."""

from __future__ import annotations

import pytest

from clsh.base.errors import UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.retrying import Retrying, is_worth_a_retry
from clsh.remote.transports.memory import Faults, Memory, MemorySession

NODE = Node(node_name("node1"), "node1")


class Flaky(Memory):
    """Unreachable for the first `failures` tries."""

    def __init__(self, failures: int, reason: str) -> None:
        super().__init__()
        self.failures = failures
        self.reason = reason
        self.tries = 0
        self.is_closed = False

    async def open(self, node: Node, deadline_s: float) -> MemorySession:
        self.tries += 1
        refuse = self.reason if self.tries <= self.failures else ""
        self.faults[node.name] = Faults(refuse=refuse)
        return await super().open(node, deadline_s)

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("clsh.remote.retrying.asyncio.sleep", pause)
    return made


async def test_it_tries_until_it_succeeds(pauses: list[float]) -> None:
    flaky = Flaky(2, "connection refused")
    session = await Retrying(flaky, 5, pause_s=1).open(NODE, 1)
    assert session.node is NODE
    assert flaky.tries == 3
    assert [p for p in pauses if p] == [1, 2]


async def test_it_gives_up_with_the_last_reason(pauses: list[float]) -> None:
    flaky = Flaky(99, "connection refused")
    with pytest.raises(UnreachableError, match="connection refused"):
        await Retrying(flaky, 5, pause_s=1).open(NODE, 1)
    assert flaky.tries == 6
    assert [p for p in pauses if p] == [1, 2, 4, 4, 4]


@pytest.mark.parametrize(
    "reason",
    ["permission denied for user root", "Permission denied (publickey)", "name not known",
     "the host key has changed", "host key not known"],
)  # fmt: skip
async def test_what_will_not_change_is_not_tried_again(reason: str) -> None:
    flaky = Flaky(1, reason)
    with pytest.raises(UnreachableError):
        await Retrying(flaky, 5).open(NODE, 1)
    assert flaky.tries == 1


@pytest.mark.parametrize(
    "reason",
    ["connection refused", "timed out after 10 s", "no route to host",
     "the node closed the connection during login", "name lookup failed: temporary"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(reason: str) -> None:
    assert is_worth_a_retry(reason)


async def test_closing_closes_what_is_within() -> None:
    flaky = Flaky(0, "")
    await Retrying(flaky, 1).aclose()
    assert flaky.is_closed
