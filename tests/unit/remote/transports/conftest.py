"""The sshd of the tests, and an asyncssh transport to it."""

from __future__ import annotations

from tests.support.sshd import ordinary_sshd, sshd

__all__ = ["ordinary_sshd", "sshd"]  # fixtures
