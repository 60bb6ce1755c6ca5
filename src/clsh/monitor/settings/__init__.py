"""What the configuration says about the manager: `[manager]`, `[monitor]`, alerts, channels."""

from clsh.monitor.settings.load import load
from clsh.monitor.settings.values import (
    Address,
    Channel,
    Comparison,
    Mail,
    Program,
    Rule,
    Settings,
    Severity,
    SourceSettings,
    Webhook,
)

__all__ = [
    "Address",
    "Channel",
    "Comparison",
    "Mail",
    "Program",
    "Rule",
    "Settings",
    "Severity",
    "SourceSettings",
    "Webhook",
    "load",
]
