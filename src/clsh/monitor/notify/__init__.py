"""Tell people of alerts: one message for many nodes, by webhook, mail or a command."""

from clsh.monitor.notify.message import Message, messages
from clsh.monitor.notify.notifier import Notifier

__all__ = ["Message", "Notifier", "messages"]
