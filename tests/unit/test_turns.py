"""The round of a connection is a copy of aiohttp's, with a difference: whoever changes the version has to look."""

import hashlib
import inspect

from aiohttp.web_protocol import RequestHandler

READ = "2e565fd40c8e04fb"
"""Begins the digest of the source of aiohttp's round that ``sidecar/web/turns.py`` was written after (3.14.5)."""


def test_the_round_of_aiohttp_is_the_one_that_ours_was_written_after() -> None:
    source = inspect.getsource(RequestHandler.start)
    assert hashlib.sha256(source.encode()).hexdigest().startswith(READ), "compare the new round with InTurn.start"
