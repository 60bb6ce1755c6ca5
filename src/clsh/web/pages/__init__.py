"""The public pages: grid, cluster, node, processes, alerts, comparing, one metric."""

from clsh.web.pages.serving import routes

__all__ = ["routes"]
