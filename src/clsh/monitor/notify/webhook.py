"""Send a message as JSON to a URL. It blocks: to be called in a thread."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.monitor.notify.message import Message
    from clsh.monitor.settings import Webhook

TIMEOUT_S = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive without its body."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def send(channel: Webhook, message: Message) -> None:
    """POST the message of an alert; raises as `post` does."""
    post(channel, message.as_json())


def post(channel: Webhook, text: str) -> None:
    """POST some JSON; raises OSError (HTTPError too) when it was not taken."""
    request = urllib.request.Request(  # noqa: S310 - the settings take http and https only
        channel.url,
        data=text.encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "clsh"},
        method="POST",
    )
    try:
        urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise
