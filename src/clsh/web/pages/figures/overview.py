"""The four charts that tell how a grid, a cluster or a node fares, and their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.model import Series
from clsh.web.pages.figures.charts import Chart, Want, busy, less, plain
from clsh.web.pages.words import quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clsh.monitor.model import Sum, Value
    from clsh.web.pages.words import Words


def of_values(values: Mapping[str, Value]) -> Callable[[str], float | None]:
    """Return how to look up a number that a node told."""

    def find(name: str) -> float | None:
        value = values.get(name)
        return value if isinstance(value, (int, float)) else None

    return find


def of_sums(sums: Mapping[str, Sum]) -> Callable[[str], float | None]:
    """Return how to look up a sum over nodes; idleness is a mean."""

    def find(name: str) -> float | None:
        found = sums.get(name)
        if found is None or found.num == 0:
            return None
        return found.sum / found.num if name.startswith("cpu_") and name != "cpu_num" else found.sum

    return find


def memory_parts(known: Collection[str]) -> tuple[str, ...]:
    """Return the metrics of which the first less the others is the memory in use."""
    if "mem_available" in known:
        return ("mem_total", "mem_available")
    others = ("mem_free", "mem_buffers", "mem_cached")
    return ("mem_total", *(name for name in others if name in known))


def memory_used(find: Callable[[str], float | None], known: Collection[str]) -> float | None:
    """Return the bytes in use, None when they were not told."""
    total, *others = (find(name) for name in memory_parts(known))
    if total is None or not others:
        return None
    return max(0.0, total - sum(other or 0.0 for other in others))


def four(
    words: Words,
    place: tuple[str, str],
    find: Callable[[str], float | None],
    known: Collection[str],
    link: Callable[[str], str],
) -> list[Chart]:
    """Return load, CPU, memory and network of a place: (cluster, node), ("", "") the grid."""
    cluster, node = place

    def series(*names: str) -> tuple[Series, ...]:
        return tuple(Series(cluster, node, name) for name in names)

    idle = find("cpu_idle")
    total, cores = find("mem_total"), find("cpu_num")
    idle_series = series("cpu_idle") if node else series("cpu_idle", "cpu_idle.num")
    return [
        Chart(
            "load",
            words.said("Load"),
            "",
            (Want(words.said("Load"), series("load_one"), plain),),
            (find("load_one"),),
            words.tr("of {n} cores", n=f"{cores:,.0f}") if cores else "",
            cores,
            link=link("load_one"),
        ),
        Chart(
            "cpu",
            words.said("CPU"),
            "%",
            (Want(words.said("CPU"), idle_series, busy),),
            (None if idle is None else 100 - idle,),
            words.tr("busy"),
            top=100,
            link=link("cpu_idle"),
        ),
        Chart(
            "memory",
            words.said("Memory"),
            "bytes",
            (Want(words.said("Memory"), series(*memory_parts(known)), less),),
            (memory_used(find, known),),
            words.tr("of {size}", size=" ".join(quantity(total, "bytes"))) if total else "",
            total,
            link=link("mem_available" if "mem_available" in known else "mem_free"),
        ),
        Chart(
            "network",
            words.said("Network in, out"),
            "bytes/s",
            tuple(
                Want(words.said(name), series(metric), plain)
                for name, metric in (("In", "bytes_in"), ("Out", "bytes_out"))
            ),
            (find("bytes_in"), find("bytes_out")),
            link=link("bytes_in"),
        ),
    ]
