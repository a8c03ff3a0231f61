"""Behind ``sidecar listen``."""

import asyncio

from sidecar.dev.guards import told_by_signals
from sidecar.dev.narrator import Narrator
from sidecar.dev.render import body_lines, header_lines
from sidecar.dev.webhook import Message, Webhook
from sidecar.model.webhook_signature import Verifier

BODY_LIMIT = 20_000  # characters; here the body is what one wants to see


def show_message(narrator: Narrator, message: Message) -> None:
    """Print one message with the headers that matter and its body."""
    details = [*header_lines(message.headers.items()), *body_lines(message.body, limit=BODY_LIMIT)]
    narrator.tell("webhook", message.summary(), details)


def show_downloads(narrator: Narrator, message: Message, *, limit: int = BODY_LIMIT) -> None:
    """Print what the links of a message led to."""
    for download in message.downloads:
        narrator.tell("webhook", download.summary(), body_lines(download.beginning, size=download.size, limit=limit))


async def listen_until_stopped(
    *, host: str, port: int, status: int, delay: float, download: bool, key: Verifier | None = None
) -> int:
    """Show what arrives, and with ``download`` what it links, until Ctrl-C; exit status 1 when the port is taken."""
    narrator = Narrator()
    stop = asyncio.Event()
    webhook = Webhook(
        lambda message: show_message(narrator, message),
        followed=(lambda message: show_downloads(narrator, message)) if download else None,
        host=host,
        port=port,
        status=status,
        delay=delay,
        key=key,
    )
    with told_by_signals(stop.set):
        try:
            await webhook.start()
        except OSError as error:
            narrator.tell("webhook", f"cannot listen: {error}")
            return 1
        narrator.tell("webhook", f"listens; give this as callback-url: {webhook.url} (Ctrl-C ends it)")
        await stop.wait()
    await webhook.stop()
    return 0
