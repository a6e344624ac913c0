"""How fast requests may leave: a token bucket, shared by threads.

The bucket holds one token: requests leave evenly spaced, so that no minute, wherever it starts, has more than
`requests_per_minute` of them, and a server that counts by the second sees no burst either.
"""

import threading
import time


class Clock:
    """Time as the engine sees it; a test may bring its own."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Returns after `seconds`, or as soon as the run stops."""
        if seconds > 0:
            stop.wait(seconds)


class Pace:
    """Gives every request its moment. requests_per_minute: None for as fast as answers come."""

    def __init__(self, requests_per_minute: int | None, clock: Clock) -> None:
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._next = clock.now()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Takes the next token; returns the seconds to wait for it."""
        with self._lock:
            now = self._clock.now()
            moment = max(now, self._next)
            self._next = moment + self._gap
            return moment - now

    def hold(self, seconds: float) -> None:
        """Nobody sends for so long: the server asked for it."""
        with self._lock:
            self._next = max(self._next, self._clock.now() + seconds)
