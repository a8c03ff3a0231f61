"""Behind ``sidecar listen``."""

import asyncio

from sidecar.dev.guards import told_by_signals
from sidecar.dev.narrator import Narrator
from sidecar.dev.render import body_lines, header_lines
from sidecar.dev.webhook import Message, Webhook

BODY_LIMIT = 20_000  # characters; here the body is what one wants to see


def show_message(narrator: Narrator, message: Message) -> None:
    """Print one message with the headers that matter and its body."""
    details = [*header_lines(message.headers.items()), *body_lines(message.body, limit=BODY_LIMIT)]
    narrator.tell("webhook", message.summary(), details)


async def listen_until_stopped(*, host: str, port: int, status: int, delay: float) -> int:
    """Show what arrives until Ctrl-C; the exit status is 1 when the port is taken."""
    narrator = Narrator()
    stop = asyncio.Event()
    webhook = Webhook(lambda message: show_message(narrator, message), host=host, port=port, status=status, delay=delay)
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
