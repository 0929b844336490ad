"""How long an action may take, for all of its requests together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tripleo_common import exceptions


class Deadline:
    """A moment after which no further request is made.

    Mistral's own timeout does not stop a running action, so each request is made with no more
    than what is left.
    """

    def __init__(
        self,
        seconds: float,
        *,
        request_seconds: float = 60,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Count from now.

        :param seconds: for everything.
        :param request_seconds: at most this for one request.
        """
        self.seconds = seconds
        self._request_seconds = request_seconds
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + seconds

    def part(self, seconds: float) -> Deadline:
        """Return a deadline for a part of the work: no later than this one, nor than so long."""
        return Deadline(
            min(seconds, self.left),
            request_seconds=self._request_seconds,
            clock=self._clock,
            sleep=self._sleep,
        )

    @property
    def left(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def spare(self) -> float:
        """Seconds that are left for work on many things; never negative.

        The rest is for one more request, and for writing down what has come of all.
        """
        return max(0.0, self.left - min(1.5 * self._request_seconds, self.seconds / 4))

    def request_timeout(self) -> float:
        """Return the seconds that the next request may take.

        :raises DeadlineExceeded: nothing is left.
        """
        if not self.left:
            raise exceptions.DeadlineExceeded(self.seconds)
        return min(self.left, self._request_seconds)

    def poll(self, first: float, longest: float, total: float) -> Iterator[float]:
        """Yield at once, then again and again with growing pauses, until time is up.

        This is the one way in which anything here waits.

        :param first: seconds of the first pause; each is 1.5 times the one before.
        :param longest: seconds of the longest pause.
        :param total: seconds after which it ends, unless the deadline comes earlier.
        :returns: the seconds that have passed.
        """
        began = self._clock()
        pause = first
        while True:
            passed = self._clock() - began
            yield passed
            left = min(total - (self._clock() - began), self.left)
            if left <= 0:
                return
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, longest)
