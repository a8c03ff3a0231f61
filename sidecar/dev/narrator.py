"""The one voice at the terminal: who did what, in plain words, in the order in which it happened."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from sidecar.dev.render import printable

COLOURS = {"you": "bold cyan", "sidecar": "bold magenta", "webhook": "bold green", "tour": "bold yellow"}
OTHERS = "bold blue"
WIDTH = 8


class Narrator:
    """Print lines such as ``1.2s billing  called for order 7``; times are seconds since the narrator was made."""

    def __init__(self, console: Console | None = None) -> None:
        # Long lines stay whole (soft_wrap), so that what is printed to be copied can be copied.
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    def tell(self, who: str, what: str, details: Iterable[str] = ()) -> None:
        """Say that ``who`` did ``what``, with indented details."""
        since = time.monotonic() - self._began
        line = Text.assemble(
            (f"{since:6.1f}s ", "dim"), (f"{who:<{WIDTH}} ", COLOURS.get(who, OTHERS)), printable(what)
        )
        self._console.print(line)
        for detail in details:
            self._console.print(Text(" " * (WIDTH + 9) + printable(detail), "dim"))

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self._console.print()
        self._console.print(Text(text, "bold"))

    def plain(self, *lines: str) -> None:
        """Print lines as they are, ready to be copied."""
        for line in lines:
            self._console.print(Text(line))
