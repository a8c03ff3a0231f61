"""The time line of a run: what was done to whom, told when the run fails."""

import time


class Story:
    """Lines with the seconds since the beginning."""

    def __init__(self, seed: int) -> None:
        self._began = time.monotonic()
        self._lines = [f"seed {seed}: CHAOS_SEEDS={seed} .venv/bin/pytest tests/chaos repeats it"]

    def tell(self, what: str) -> None:
        self._lines.append(f"{time.monotonic() - self._began:7.2f}s {what}")

    def __str__(self) -> str:
        return "\n".join(self._lines)
