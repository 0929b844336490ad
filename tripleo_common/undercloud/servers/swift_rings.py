"""Write Swift's rings: one replica on one device.

Usage: ``python -m tripleo_common.undercloud.servers.swift_rings DIRECTORY SERVER=PORT ...``

A program of its own, because importing Swift's ring builder changes how threads work in a process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from swift.common.ring import RingBuilder

from tripleo_common.undercloud import state

_PART_POWER = 8


def main() -> None:
    """Write a ring for each server."""
    directory = Path(sys.argv[1])
    for word in sys.argv[2:]:
        server, port = word.split("=")
        ring = directory / f"{server}.ring.gz"
        builder = RingBuilder(part_power=_PART_POWER, replicas=1, min_part_hours=0)
        builder.add_dev(
            {
                "region": 1,
                "zone": 1,
                "ip": state.HOST,
                "port": int(port),
                "device": "disk",
                "weight": 1,
            }
        )
        builder.rebalance()
        builder.get_ring().save(str(ring))
        # Swift makes it readable for everybody.
        ring.chmod(0o600)


if __name__ == "__main__":
    main()
