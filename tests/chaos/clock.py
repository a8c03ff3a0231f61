"""The clock of one process, stepped while it runs. The library ``libfaketime`` stands between it and the kernel.

Only the time of day is stepped; the monotonic clocks go on, as when an administrator sets the clock of a machine.
"""

import importlib.util
import platform
from pathlib import Path


def _library() -> Path | None:
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None or platform.machine() != "x86_64":  # what its wheel was built for
        return None
    library = Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return library if library.exists() else None


class SteppedClock:
    """A clock that one process believes in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._library = _library()
        self.step(0)

    @property
    def possible(self) -> bool:
        return self._library is not None

    @property
    def environment(self) -> dict[str, str]:
        """What the process has to be started with."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Set the clock; the process believes it within a second."""
        self._file.write_text(f"{seconds:+d}")
