"""The one file that picks concrete classes from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from clsh.access.service import Access
    from clsh.base.clock import Clock
    from clsh.base.config import Config
    from clsh.jobs.notices.outbox import Teller
    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.monitor.settings import Settings
    from clsh.monitor.store import Store
    from clsh.nodes.model import NodeLoad
    from clsh.remote.transport import Transport, TransportOptions


NO_CLUSTER = "nodes"
"""Where nodes are shown that the inventory gives no cluster."""


def transport(
    options: TransportOptions,
    *,
    forced: str | None = None,
    retries: int = 0,
    keep: bool = False,
    sudo: str | None = None,
    sudo_password: str | None = None,
) -> Transport:
    """Return the way to all nodes, each by the transport that it asks for.

    `forced` names one transport for the nodes that ask for `auto`. A node that cannot be
    reached is tried `retries` times more. With `keep` a session stays open for the next
    command until the transport is closed. `sudo` is the user that commands run as.
    """
    from clsh.remote.routing import Routed

    way: Transport = Routed(options, forced)
    if retries:
        from clsh.remote.retrying import Retrying

        way = Retrying(way, retries)
    if keep:
        from clsh.remote.pool import Pool

        way = Pool(way)
    if sudo is not None:
        from clsh.remote.sudo import Sudo

        way = Sudo(way, sudo_password, sudo)
    return way


def monitor(
    config: Config, settings: Settings, state: Path, clock: Clock, way: Transport
) -> Monitor:
    """Return the monitor of all nodes in the inventory and of all sources in the settings.

    `way` leads to the nodes, and to this machine for the commands of alerts. Nothing is
    connected and no store opened before it runs. Raises ConfigError or UsageError for an
    inventory that is wrong.
    """
    from clsh.base import plugins
    from clsh.monitor.service import Monitor
    from clsh.monitor.store import StoreContext
    from clsh.nodes import inventory

    book = inventory.load(config)
    context = StoreContext(
        directory=state,
        url=settings.store_url,
        limit=settings.store_limit,
        interval_s=settings.interval_s,
        clock=clock,
    )

    def open_store() -> Store:
        store: Store = plugins.find("clsh.monitor.stores", settings.store)(context)
        return store

    return Monitor(
        settings,
        [(book.clusters.get(node.name, NO_CLUSTER), node) for node in book.nodes()] if book else [],
        open_store,
        state,
        transport=way,
        here=way,
        clock=clock,
    )


def access(config: Config, state: Path, clock: Clock, owner: str) -> Access:
    """Return who may ask what; nothing is opened yet. `owner` is who the manager runs as.

    Raises ConfigError for settings that are wrong, and for PAM where it must be and cannot.
    """
    from clsh.access import pam
    from clsh.access import settings as access_settings
    from clsh.access.service import Access
    from clsh.access.store import Store
    from clsh.base.audit import Audit

    wanted = access_settings.load(config)
    missing = pam.why_not(wanted.pam_service) if wanted.pam != "off" else None
    if missing and wanted.pam == "on":
        raise missing
    checker = None if missing or wanted.pam == "off" else pam.Pam(wanted.pam_service)
    return Access(clock, owner, wanted, Store(state), checker, Audit(state, clock))


def watching(config: Config) -> Transport:
    """Return the way to the nodes for what watches them with nobody there to ask.

    Host keys must be known unless the configuration says otherwise.
    """
    from clsh.remote.transport import TransportOptions

    shell = config.shell
    unsaid = {
        key
        for key in ("keepalive", "keepalive_count", "host_keys")
        if config.origin("shell", key) == "default"
    }
    # With thousands of sessions the questions cost more than the samples: half as many of
    # them stand a pause as long, and a silent link is noticed after 8 s instead of 6 s.
    calm = unsaid >= {"keepalive", "keepalive_count"}
    options = TransportOptions(
        keepalive_s=4.0 if calm else shell.keepalive,
        keepalive_count=2 if calm else shell.keepalive_count,
        host_keys="strict" if "host_keys" in unsaid else shell.host_keys,
        ssh_config=shell.ssh_config,
        known_hosts=shell.known_hosts,
        identities=shell.identities,
        kex=shell.kex,
    )
    return transport(options, forced=shell.transport, keep=True)


def jobs(
    config: Config,
    state: Path,
    clock: Clock,
    way: Transport,
    loads: Callable[[], Mapping[str, NodeLoad]],
    teller: Callable[[Sequence[str]], Teller] | None = None,
) -> Jobs:
    """Return the jobs of all nodes in the inventory, run by the engine of the settings.

    `way` leads to the nodes and keeps its sessions, `loads` gives the load of nodes by name;
    `teller` makes what tells people, of the channels that jobs may use.
    Nothing is connected and no file opened before it runs. Raises ConfigError or UsageError.
    """
    from clsh.base import plugins
    from clsh.jobs import settings as from_config
    from clsh.jobs.engine import EngineContext
    from clsh.jobs.queue import Queue
    from clsh.jobs.queue.file import QueueFile
    from clsh.jobs.sent.service import Sent
    from clsh.jobs.sent.store import Store
    from clsh.jobs.service import Jobs
    from clsh.nodes import inventory

    settings = from_config.load(config)
    book = inventory.load(config)
    nodes = book.nodes() if book else ()
    sent = Sent(Store(state / "sent", settings.send), clock)
    context = EngineContext(clock, nodes, way, settings.spool, dict(settings.own), sent.path)
    engine = plugins.find("clsh.jobs.engines", settings.engine)(context)
    names = [str(node.name) for node in nodes]
    told = teller(settings.notify) if teller else None
    queue = Queue(lambda: QueueFile(state))
    return Jobs(engine, queue, clock, settings, loads, nodes=names, teller=told, sent=sent)
