"""Swift's cache, inside the one proxy process instead of in a memcached.

The proxy asks its cache for what accounts and containers are like and for validated tokens.
There is one proxy, so a dictionary serves; this is the filter that puts it in place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_LIMIT = 10000


class Cache:
    """The part of ``swift.common.memcached.MemcacheRing`` that the proxy's pipeline uses.

    Times are seconds; 0 keeps an entry until the cache is full. Like memcached it may forget.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty."""
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[float, Any]] = {}

    def get(self, key: str, **_: Any) -> Any:
        """Return a value, or nothing."""
        with self._lock:
            until, value = self._entries.get(key, (0.0, None))
            if until and until <= self._clock():
                del self._entries[key]
                return None
            return value

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        """Keep a value."""
        with self._lock:
            if len(self._entries) >= _LIMIT:
                self._entries.clear()
            self._entries[key] = (self._clock() + time if time else 0.0, value)

    def delete(self, key: str, **_: Any) -> None:
        """Forget a value."""
        with self._lock:
            self._entries.pop(key, None)

    def incr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        """Add to a counter, which starts at 0 and never falls below it; return it."""
        value = max(0, int(self.get(key) or 0) + delta)
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        """Subtract from a counter; return it."""
        return self.incr(key, -delta, time=time)

    def get_multi(self, keys: Iterable[str], *_: Any, **__: Any) -> list[Any]:
        """Return several values, nothing for those not there."""
        return [self.get(key) for key in keys]

    def set_multi(self, mapping: dict[str, Any], *_: Any, time: float = 0, **__: Any) -> None:
        """Keep several values."""
        for key, value in mapping.items():
            self.set(key, value, time=time)


def filter_factory(_global_conf: dict[str, str], **_local_conf: str) -> Callable[[Any], Any]:
    """Return the paste filter; all requests of the process share one cache."""
    cache = Cache()

    def wrap(app: Any) -> Any:
        def with_cache(environ: dict[str, Any], start_response: Any) -> Any:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return with_cache

    return wrap
