"""For tests of Ganglia: the recorded files, a clock that is set by hand, a grid, what XML says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.monitor.ganglia.content import HostRead, Read
from clsh.monitor.ganglia.xml import Reader
from clsh.monitor.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.monitor.model import News

DATA = Path(__file__).parents[1] / "data/ganglia"
FILES = sorted(path.name for path in DATA.glob("*.xml"))


def recorded(name: str) -> bytes:
    return (DATA / name).read_bytes()


class Hands:
    """A clock whose hands are moved by the test."""

    def __init__(self, at: float = 1_795_246_940.0) -> None:
        self.at = at

    def unix(self) -> float:
        return self.at

    def steady(self) -> float:
        return self.at


def read(data: bytes, piece: int = 1 << 20) -> tuple[list[Read], list[str]]:
    """Read a document in pieces; return what was read and the troubles."""
    reader = Reader()
    found = [one for at in range(0, len(data), piece) for one in reader.feed(data[at : at + piece])]
    found += reader.close()
    return found, reader.troubles


def hosts(reads: Iterable[Read]) -> dict[str, dict[str, str]]:
    """Return the values of each host as they were written."""
    return {
        one.attributes["NAME"]: {
            metric.attributes["NAME"]: metric.attributes["VAL"] for metric in one.metrics
        }
        for one in reads
        if isinstance(one, HostRead)
    }


def plainly(data: bytes) -> dict[str, dict[str, str]]:
    """Return the values of each host as a parser says that knows nothing of Ganglia."""
    return {
        host.attrib["NAME"]: {m.attrib["NAME"]: m.attrib["VAL"] for m in host.iter("METRIC")}
        for host in ET.fromstring(data).iter("HOST")
    }


def grid(news: Iterable[News], clock: Hands, name: str = "grid") -> Grid:
    """Return a grid that has heard this."""
    made = Grid(name, {}, clock, 15.0)
    for one in news:
        made.hear(one)
    return made
