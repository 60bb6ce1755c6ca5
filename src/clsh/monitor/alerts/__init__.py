"""What is wrong, by rules: metrics over their limit for some time, and silent nodes always."""

from clsh.monitor.alerts.judge import Alerts
from clsh.monitor.alerts.values import Alert, Turn

__all__ = ["Alert", "Alerts", "Turn"]
