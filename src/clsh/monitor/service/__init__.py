"""The monitor of a manager: sources in, ticks out, alerts told, history read."""

from clsh.monitor.service.monitor import Monitor

__all__ = ["Monitor"]
