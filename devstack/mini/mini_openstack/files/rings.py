"""Build Swift's rings, one device each: rings.py FOLDER object=PORT container=PORT account=PORT."""

import sys
from pathlib import Path

from swift.common.ring import RingBuilder

for argument in sys.argv[2:]:
    name, port = argument.split("=")
    builder = RingBuilder(4, 1, 1)  # 16 partitions, one replica
    here = {"ip": "127.0.0.1", "port": int(port), "replication_ip": "127.0.0.1", "replication_port": int(port)}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **here})
    builder.rebalance(seed="1")
    builder.get_ring().save(str(Path(sys.argv[1]) / f"{name}.ring.gz"))
