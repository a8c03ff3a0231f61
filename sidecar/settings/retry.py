"""The retry sequence of messages to the webhook."""

from typing import Annotated

from pydantic import Field

from sidecar.settings.secrets import FROM_WORDS
from sidecar.settings.section import Section
from sidecar.settings.units import HOUR, SECOND, Duration, lasting

Status = Annotated[int, Field(ge=400, le=599)]


class RetrySettings(Section):
    """The retry sequence of messages to the webhook."""

    statuses: Annotated[tuple[Status, ...], FROM_WORDS] = (408, 429, 502, 503, 504)
    """Answers of the webhook that begin the sequence."""
    wso2_faults: bool = True
    """Whether a 500 in which WSO2 says that the webhook behind it is silent begins the sequence, too."""
    base: Annotated[Duration, lasting("10ms", "1h")] = SECOND
    """Delay before the first retry, a duration; it doubles each time."""
    cap: Annotated[Duration, lasting("10ms", "24h")] = HOUR
    """Longest delay between two attempts, a duration."""
    give_up_after: Annotated[Duration, lasting("1s", "24h")] = 12 * HOUR
    """How long after the first failure the last attempt may be, a duration, at most 24h."""
    jitter: float = Field(default=0, ge=0, le=1)
    """Share of each delay that is random, 0 to 1."""
    scan_interval: Annotated[Duration, lasting("10ms", "1m")] = SECOND
    """How often due retries are looked for, a duration."""
    inline_small: bool = True
    """Whether a small body travels along inside its indirect result message."""
