"""The routes of the API: the router, who may use them and the description come from here."""

from __future__ import annotations

from clsh.web import views
from clsh.web.api import grid, openapi, series
from clsh.web.api.access_table import ACCESS
from clsh.web.api.entry import Entry
from clsh.web.api.job_table import JOBS
from clsh.web.api.metrics import MEDIA, metrics
from clsh.web.api.push import push
from clsh.web.asking import Parameter

_CLUSTER = Parameter("cluster", "the cluster's name", where="path", required=True)
_NODE = Parameter("node", "the node's name", where="path", required=True)
_LIST = (
    Parameter("state", "only nodes in this state", "choice", many=True, choices=views.STATES),
    Parameter("q", "only nodes with this text in name, address or reason"),
    Parameter("sort", "a column, downwards with '-' before it", "choice", choices=views.SORTS),
    Parameter("limit", "rows at most", "whole", default="10000", low=1, high=10_000),
    Parameter("offset", "rows to leave out before", "whole", default="0", high=10_000_000),
)

TABLE: tuple[Entry, ...] = (
    Entry("GET", "/api/v1/grid", "The whole grid: clusters, sources, sums", grid.grid, "Grid"),
    Entry(
        "GET",
        "/api/v1/clusters/{cluster}",
        "One cluster and its nodes",
        grid.cluster,
        "Cluster",
        (_CLUSTER, *_LIST),
    ),
    Entry(
        "GET",
        "/api/v1/nodes",
        "Nodes of all clusters",
        grid.nodes,
        "Nodes",
        (Parameter("cluster", "only nodes of this cluster", many=True), *_LIST),
    ),
    Entry(
        "GET",
        "/api/v1/clusters/{cluster}/nodes/{node}",
        "One node and all its metrics",
        grid.node,
        "Node",
        (_CLUSTER, _NODE),
        kept="second",
    ),
    Entry(
        "GET",
        "/api/v1/range",
        "Metrics over time, of nodes, a cluster or the grid; null where nothing was heard",
        series.range_,
        "Range",
        (
            Parameter("metric", "the metric's name", required=True, many=True),
            Parameter("cluster", "the cluster; without it the sums of the grid"),
            Parameter("node", "nodes of the cluster; without it the cluster's sums", many=True),
            Parameter("start", "where the range begins", "moment", default="-1h"),
            Parameter("end", "where the range ends", "moment", default="now"),
            Parameter("points", "steps at most", "whole", default="300", low=1, high=4000),
        ),
        kept="second",
    ),
    Entry(
        "GET",
        "/api/v1/heat/{cluster}",
        "One byte for each node, in their order: 0 to 250 from low to high, 254 no value, 255 lost",
        series.heat,
        "Heat",
        (_CLUSTER, Parameter("metric", "the metric's name", default="load_one")),
    ),
    Entry(
        "GET",
        "/api/v1/processes",
        "Processes of nodes",
        grid.processes,
        "Processes",
        (
            Parameter("cluster", "only nodes of this cluster"),
            Parameter("node", "only these nodes", many=True),
            Parameter("user", "only processes of this user"),
            Parameter("q", "only processes with this text in their command"),
        ),
        kept="second",
    ),
    Entry("GET", "/api/v1/alerts", "Alerts that are active", grid.alerts, "Alerts", kept="second"),
    Entry("GET", "/api/v1/status", "How the manager fares", grid.status, "Status", kept="no"),
    Entry(
        "POST",
        "/api/v1/metrics/{cluster}/{node}",
        "Send metrics of a node, as JSON or as lines of NAME VALUE [UNITS]",
        push,
        "Taken",
        (_CLUSTER, _NODE),
        access="token",
        kept="no",
        body="Push",
        lines=True,
    ),
    Entry(
        "POST",
        "/api/v1/stop",
        "Stop the manager: its owner or root, over its Unix socket",
        grid.stop,
        "Stopping",
        access="socket",
        kept="no",
        status=202,
    ),
    *ACCESS,
    *JOBS,
    Entry("GET", "/metrics", "The latest values as OpenMetrics", metrics, media=MEDIA),
    Entry(
        "GET",
        "/api/openapi.json",
        "This description",
        lambda site, _: openapi.description(TABLE, site.control.version),
        kept="second",
    ),
    Entry("GET", "/healthz", "Whether the manager answers", grid.health, "Health", kept="no"),
)
