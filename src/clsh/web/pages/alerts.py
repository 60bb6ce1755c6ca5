"""The page of alerts: what is wrong now, since when, and which rule says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.web import views
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.figures.troubles import troubles
from clsh.web.pages.words import number

if TYPE_CHECKING:
    from clsh.monitor.service import Monitor
    from clsh.monitor.settings import Rule
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.words import Words


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    grid = monitor.grid
    values: dict[str, object] = {
        "troubles": troubles(monitor.alerts.active(), asked),
        "sick": [views.health_row(one) for one in grid.health.values() if not one.ok],
        "store_trouble": monitor.store_trouble(),
        "more": 0,
        "rules": [(rule, _words(rule, asked.words)) for rule in monitor.settings.alerts],
    }
    return Page(
        "alerts.html", values, "alerts", Watch({"page": "grid"}, 1.0), [Part("say"), Part("alerts")]
    )


def _words(rule: Rule, words: Words) -> str:
    if not rule.metric:
        return words.tr("a node is lost")
    limit = rule.limit if isinstance(rule.limit, str) else number(rule.limit)
    sign = {"above": ">", "below": "<", "equal": "="}[rule.comparison]
    text = f"{rule.metric} {sign} {limit}"
    if rule.for_s:
        return words.tr("{rule} for {time}", rule=text, time=words.duration(rule.for_s))
    return text
