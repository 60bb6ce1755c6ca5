"""Answers about the grid as it is now: clusters, nodes, processes, alerts, the manager."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clsh.monitor.model import Silent
from clsh.web import views
from clsh.web.answers import number, to_long_json
from clsh.web.asking import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.monitor.grid import Cluster, NodeState
    from clsh.monitor.processes import Process
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

_MOST_PROCESSES = 100_000
_PROCESSES_AT_ONCE = 500


def the_cluster(site: Site, name: str) -> Cluster:
    """Return a cluster; raises RefusedError (404)."""
    clusters = site.monitor.grid.clusters
    if name not in clusters:
        raise missing("cluster", name, clusters)
    return clusters[name]


def the_node(site: Site, cluster: str, name: str) -> NodeState:
    """Return a node; raises RefusedError (404)."""
    nodes = the_cluster(site, cluster).nodes
    if name not in nodes:
        raise missing("node", name, nodes)
    return nodes[name]


async def grid(site: Site, _asked: Asked) -> object:
    """Answer what the first page shows."""
    grid = site.monitor.grid
    return {
        **views.grid_row(grid),
        "clusters": [views.cluster_row(cluster) for cluster in views.clusters(grid)],
        "reports": [views.report_row(report) for report in grid.reports.values()],
        "sources": [views.health_row(health) for health in grid.health.values()],
        "alerts": len(site.monitor.alerts.active()),
    }


async def cluster(site: Site, asked: Asked) -> object:
    """Answer a cluster and its nodes."""
    found = the_cluster(site, asked.text("cluster"))
    page = _page(views.ordered(found), asked)
    return {"version": site.monitor.grid.version, **views.cluster_row(found), **page}


async def nodes(site: Site, asked: Asked) -> object:
    """Answer the nodes of the grid or of some clusters."""
    named = asked.many("cluster")
    clusters = (
        [the_cluster(site, name) for name in named] if named else views.clusters(site.monitor.grid)
    )
    found = [node for one in clusters for node in views.ordered(one)]
    return {"version": site.monitor.grid.version, **_page(found, asked)}


def _page(found: Sequence[NodeState], asked: Asked) -> dict[str, object]:
    rows = views.chosen(
        found, states=asked.many("state"), text=asked.text("q"), sort=asked.text("sort")
    )
    begin, limit = asked.whole("offset"), asked.whole("limit")
    return {
        "total": len(rows),
        "offset": begin,
        "limit": limit,
        "nodes": rows[begin : begin + limit],
    }


async def node(site: Site, asked: Asked) -> object:
    """Answer a node and all its metrics."""
    found = the_node(site, asked.text("cluster"), asked.text("node"))
    return {
        "version": site.monitor.grid.version,
        **views.node_row(found),
        "tn": number(found.tn_s()),
        "tmax": found.tmax_s,
        "dmax": found.dmax_s,
        "metrics": views.metric_rows(found),
    }


async def processes(site: Site, asked: Asked) -> object:
    """Answer the processes of some nodes, and the nodes that could not say theirs."""
    cluster, named = asked.text("cluster"), asked.many("node")
    if cluster:
        for name in named:
            the_node(site, cluster, name)
        the_cluster(site, cluster)
    told = await site.monitor.processes(cluster or None, named or None)
    user, words = asked.text("user"), asked.text("q").casefold()
    silent: list[dict[str, object]] = []
    found: list[Process] = []
    for one in told:
        if isinstance(one, Silent):
            silent.append({"node": one.node, "reason": one.reason})
        elif (not user or one.user == user) and words in one.command.casefold():
            found.append(one)
    fields = {"total": len(found), "silent": silent}
    rows = map(_process_row, found[:_MOST_PROCESSES])
    return await to_long_json(fields, "processes", rows, at_once=_PROCESSES_AT_ONCE)


def _process_row(process: Process) -> dict[str, object]:
    return {
        "node": process.node,
        "pid": process.pid,
        "ppid": process.ppid,
        "user": process.user,
        "state": process.state,
        "cpu": number(process.cpu),
        "rss": process.rss,
        "threads": process.threads,
        "started": number(process.started),
        "command": process.command,
    }


async def alerts(site: Site, _asked: Asked) -> object:
    """Answer the alerts that are active."""
    return {"alerts": [views.alert_row(alert) for alert in site.monitor.alerts.active()]}


async def status(site: Site, _asked: Asked) -> object:
    """Answer how the manager fares."""
    control, monitor = site.control, site.monitor
    row = views.grid_row(monitor.grid)
    times = os.times()
    return {
        "version": control.version,
        "pid": control.pid,
        "started": control.started,
        "uptime": max(0.0, monitor.clock.unix() - control.started),
        "cpu": times.user + times.system,
        "listen": control.listen,
        "grid": row["name"],
        "up": row["up"],
        "lost": row["lost"],
        "new": row["new"],
        "alerts": len(monitor.alerts.active()),
        "viewers": site.live.viewers,
        "sources": [views.health_row(health) for health in monitor.grid.health.values()],
        "store": {"trouble": monitor.store_trouble(), "size": monitor.store_size()},
        "facts": {**control.facts, **_of_jobs(site)},
    }


def _of_jobs(site: Site) -> dict[str, str]:
    """Return what is wrong with the jobs, nothing when all is well."""
    trouble = site.jobs.trouble() if site.jobs else ""
    return {"jobs": trouble} if trouble else {}


async def health(_site: Site, _asked: Asked) -> object:
    """Answer that the manager answers."""
    return {"ok": True}


async def stop(site: Site, _asked: Asked) -> object:
    """Ask the manager to stop; it does so when this is answered."""
    site.control.stop()
    return {"stopping": True, "pid": site.control.pid}
