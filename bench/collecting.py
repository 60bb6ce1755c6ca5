"""What hearing 1,000 nodes costs the manager, and what being heard costs a node beside others.

`python -m bench.collecting DIRECTORY NODES` is the manager alone: it hears that many nodes of
the clsh.toml in the directory, prints one line of JSON and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from socket import SOCK_DGRAM, create_server, socket
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import urlopen

from bench import measure, table
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.server import Server
    from bench.tools import Tools
    from clsh.monitor.model import News
    from clsh.remote.transport import Stream

NODES, INTERVAL_S = 1000, 15
_HOUR = 3600 / INTERVAL_S  # samples
_CONFIG = """\
[shell]
ssh_config = "{ssh_config}"
[monitor]
interval = {interval}
gmond_port = 0
[clusters.big]
nodes = [{nodes}]
"""
_GMOND = """
globals {{ daemonize = no setuid = no deaf = yes }}
cluster {{ name = "bench" }}
udp_send_channel {{ host = 127.0.0.1 port = {port} }}
"""
_GMOND_CONF = Path("/etc/ganglia/gmond.conf")


class _Cost(NamedTuple):
    """What a node pays: CPU seconds an hour at 15 s, bytes of memory and of a sample (0: many)."""

    cpu_s: float
    memory: int
    sample: int = 0


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the manager's table, then that of a node."""
    # The short run has as many samples a second, of fewer nodes.
    count, interval_s, turns = (200, 3, 4) if quick else (NODES, INTERVAL_S, 4)
    yield _manager(tools.server, count, interval_s, turns)
    yield _node(tools.server, quick=quick)


def _manager(server: Server, count: int, interval_s: int, turns: int) -> list[str]:
    folder = server.root / "collecting"
    folder.mkdir()
    nodes = ", ".join(f'"{host}"' for host in HOSTS[:count])
    config = _CONFIG.format(ssh_config=server.config, interval=interval_s, nodes=nodes)
    (folder / "clsh.toml").write_text(config)
    argv = [sys.executable, "-m", "bench.collecting", str(folder), str(count), str(turns)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=240)
    told: dict[str, float] = json.loads(done.stdout)
    late = sorted(told.pop("late"))  # type: ignore[call-overload]  # the only list
    return table.lines(
        f"collecting: {count:,} nodes of one sshd every {interval_s} s, {turns} intervals",
        ["manager", "all heard", "CPU", "memory", "late, median", "late, p99", "silent"],
        [
            [
                "clsh",
                table.seconds(told["heard_s"]),
                f"{100 * told['cpu_s'] / told['wall_s']:.1f} % of a core",
                f"{told['memory'] / 1e6:.0f} MB",
                table.seconds(late[len(late) // 2]),
                table.seconds(late[len(late) * 99 // 100]),
                f"{told['silent']:.0f}",
            ]
        ],
        "CPU and memory are those of sessions, picture and store together, once all are heard.",
        "Nodes and manager share this machine; late is a sample that comes after its moment.",
    )


def _node(server: Server, *, quick: bool) -> list[str]:
    turns, seconds = (20, 20) if quick else (60, 45)
    ours = asyncio.run(_ours(server, turns))
    costs = {"clsh over sshd": ours, "node_exporter": _exporter(turns), "gmond": _gmond(seconds)}
    return table.lines(
        f"collecting: what a node pays, a sample every {INTERVAL_S} s",
        ["", "CPU an hour", "x clsh", "memory", "x clsh", "a sample"],
        [
            [
                name,
                f"{one.cpu_s:.2f} s",
                table.ratio(one.cpu_s, ours.cpu_s),
                f"{one.memory / 1e6:.1f} MB",
                table.ratio(one.memory, ours.memory),
                f"{one.sample:,} B" if one.sample else "-",
            ]
            for name, one in costs.items()
        ],
        "clsh: one sshd session and the shell in it, nothing is installed.",
        "Memory is what no other process shares: what would be free without it.",
        "gmond is deaf, as on a node that only sends; it chooses itself when it does.",
    )


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process with all its threads, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):  # ended meanwhile
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _reaped_s(pid: int) -> float:
    """Return the CPU seconds of the children of a process that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _private(pids: list[int]) -> int:
    """Return the bytes that would be free without these processes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Private_") else 0
    return total * 1024


def _spent_s(pids: list[int]) -> float:
    return sum(_cpu_s(pid) + _reaped_s(pid) for pid in pids)


async def _ours(server: Server, turns: int) -> _Cost:
    """Sample one node again and again; its costs are those of its session with the shell."""
    from clsh.monitor.sampling import Sampler
    from clsh.nodes.model import Node, node_name
    from clsh.remote.transport import TransportOptions
    from clsh.remote.transports import asyncssh

    class Counted(Sampler):
        size = 0

        def write(self, stream: Stream, data: bytes) -> None:
            self.size += len(data)
            super().write(stream, data)

    before = set(_tree(os.getpid()))
    way = asyncssh.build(TransportOptions(ssh_config=str(server.config)))
    session = await way.open(Node(node_name("node"), HOSTS[0]), 20)
    sampler = Counted(session)
    try:
        for _ in range(3):  # the disks are asked for once a minute, here with the first
            await sampler.sample()
            await asyncio.sleep(0.3)
        pids = sorted(set(_tree(os.getpid())) - before)
        size, begun = sampler.size, _spent_s(pids)
        for _ in range(turns):
            await sampler.sample()
            await asyncio.sleep(0.1)
        spent_s, size = _spent_s(pids) - begun, sampler.size - size
        memory = _private(pids)
    finally:
        await sampler.aclose()
        await session.aclose()
        await way.aclose()
    return _Cost(spent_s / turns * _HOUR, memory, size // turns)


def _exporter(turns: int) -> _Cost:
    """Scrape a node_exporter again and again, as a Prometheus does."""
    program = shutil.which("prometheus-node-exporter")
    if program is None:
        raise SystemExit("bench: there is no prometheus-node-exporter")
    with create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with _running(program, f"--web.listen-address={place}") as pid:
        for _ in range(100):
            with contextlib.suppress(OSError):
                _scrape(place)
                break
            time.sleep(0.05)
        size = max(_scrape(place) for _ in range(3))
        begun = _cpu_s(pid)
        for _ in range(turns):
            _scrape(place)
            time.sleep(0.1)
        return _Cost((_cpu_s(pid) - begun) / turns * _HOUR, _private([pid]), size)


def _scrape(place: str) -> int:
    with urlopen(f"http://{place}/metrics", timeout=10) as answer:
        return len(answer.read())


def _gmond(seconds: int) -> _Cost:
    """Let a gmond with Debian's choice of metrics send for some time."""
    program = shutil.which("gmond", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not _GMOND_CONF.exists():
        raise SystemExit("bench: there is no gmond")
    conf = Path.cwd() / "build/bench-gmond.conf"
    conf.parent.mkdir(exist_ok=True)
    text = _GMOND_CONF.read_text()
    with socket(type=SOCK_DGRAM) as head:
        head.bind(("127.0.0.1", 0))
        channel = _GMOND.format(port=head.getsockname()[1])
        conf.write_text(channel + text[text.index("\nmodules {") :])
        with _running(program, "-f", "-c", str(conf)) as pid:
            time.sleep(5)
            begun, since = _cpu_s(pid), time.monotonic()
            time.sleep(seconds)
            spent_s = (_cpu_s(pid) - begun) / (time.monotonic() - since)
            memory = _private([pid])
    conf.unlink()
    return _Cost(spent_s * 3600, memory)


@contextlib.contextmanager
def _running(*argv: str) -> Iterator[int]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdout=quiet, stderr=quiet)
    try:
        yield process.pid
    finally:
        ended = process.poll()
        process.kill()
        process.wait()
    if ended is not None:
        raise SystemExit(f"bench: {argv[0]} ended with {ended}")


async def _hear(folder: Path, count: int, turns: int) -> dict[str, Any]:
    """Watch the nodes as the manager does: all of it but the pages."""
    from clsh import assembly
    from clsh.base import config
    from clsh.base.clock import SystemClock
    from clsh.monitor import settings
    from clsh.monitor.model import Sample, Silent
    from clsh.monitor.pace import Pace

    read = config.load({**os.environ, "CLSH_CONFIG": str(folder / "clsh.toml")})
    chosen = settings.load(read)
    way = assembly.watching(read)
    monitor = assembly.monitor(read, chosen, folder, SystemClock(), way)
    loop, hear = asyncio.get_running_loop(), monitor.grid.hear
    shares = {
        (cluster.name, name): Pace(cluster.name, name, chosen.interval_s).share
        for cluster in monitor.grid.clusters.values()
        for name in cluster.nodes
    }
    late: list[float] = []
    silent = 0

    def listen(news: News, source: str = "") -> None:
        nonlocal silent
        silent += isinstance(news, Silent)
        if isinstance(news, Sample):
            moment = loop.time() / chosen.interval_s - shares[news.cluster, news.node]
            late.append(moment % 1 * chosen.interval_s)
        hear(news, source)

    monitor.grid.hear = listen  # type: ignore[method-assign]  # each word is timed
    begun = time.monotonic()
    running = asyncio.create_task(monitor.run())
    seen = 0
    while monitor.grid.up < count:
        seen = await monitor.wait(seen)
    heard_s = time.monotonic() - begun
    await asyncio.sleep(1.5 * chosen.interval_s)  # the moments are now those of the names
    late.clear()
    silent = 0
    begun, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(turns * chosen.interval_s)
    told = {
        "heard_s": heard_s,
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.monotonic() - begun,
        "memory": await asyncio.to_thread(measure.tree_memory, os.getpid()),
        "silent": silent,
        "late": late,
    }
    running.cancel()
    await asyncio.wait({running})
    await way.aclose()
    return told


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(_hear(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))
