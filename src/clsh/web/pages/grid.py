"""The page of the whole grid: how many nodes are up, what is wrong, every cluster's cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.figures.charts import Chart, Want, plain
from clsh.web.pages.figures.heat import heat, legend, roomy
from clsh.web.pages.figures.overview import four, of_sums
from clsh.web.pages.figures.troubles import SHOWN, troubles

if TYPE_CHECKING:
    from clsh.monitor.grid import Cluster
    from clsh.monitor.model import Report
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.figures.heat import Heat


@dataclass(frozen=True, slots=True)
class Row:
    """A cluster on the page."""

    facts: dict[str, object]
    link: str
    heat: Heat
    spark: Chart


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    grid = monitor.grid
    clusters = views.clusters(grid)
    sums = grid.sums
    overview = four(asked.words, ("", ""), of_sums(sums), sums, lambda _: "")
    rows = [_row(asked, cluster, place) for place, cluster in enumerate(clusters)]
    lines = troubles(monitor.alerts.active(), asked)
    values: dict[str, object] = {
        "facts": views.grid_row(grid),
        "clusters": rows,
        "cluster_count": len(clusters) + len(grid.reports),
        "reports": [_report(grid.reports[name]) for name in sorted(grid.reports)],
        "sick": [
            views.health_row(health) for _, health in sorted(grid.health.items()) if not health.ok
        ],
        "troubles": lines[:SHOWN],
        "more": max(0, len(lines) - SHOWN),
        "store_trouble": monitor.store_trouble(),
        "legend": legend(asked.words, "load_one", 0, 1, ""),
    }
    parts = [Part("say"), Part("alerts")]
    parts += [Part(f"facts-{place}", "facts", {"row": row}) for place, row in enumerate(rows)]
    parts += [
        Part(f"cells-{place}", "cells", {"row": row})
        for place, row in enumerate(rows)
        if row.heat.named
    ]
    return Page(
        "grid.html",
        values,
        "monitor",
        Watch.of(sum(len(cluster.nodes) for cluster in clusters), page="grid"),
        parts,
        [*overview, *(row.spark for row in rows)],
        {row.heat.cluster: row.heat.data for row in rows if not row.heat.named},
    )


def _report(report: Report) -> dict[str, object]:
    # Told from outside: only an address that cannot be a script becomes a link.
    web = report.authority.startswith(("http://", "https://"))
    return views.report_row(report) | {"link": report.authority if web else ""}


def _row(asked: Asked, cluster: Cluster, place: int) -> Row:
    series = Series(cluster.name, "", "load_one")
    spark = Chart(
        f"spark-{place}",
        asked.words.said("Load"),
        "",
        (Want("", (series,), plain),),
        (of_sums(cluster.sums)("load_one"),),
        spark=True,
    )
    nodes = views.ordered(cluster)
    cells = roomy(heat(asked, cluster.name, nodes, "load_one", ""), nodes, asked.words)
    return Row(views.cluster_row(cluster), asked.to_cluster(cluster.name), cells, spark)
