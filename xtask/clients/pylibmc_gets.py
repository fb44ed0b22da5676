"""Reads many items with pylibmc, and nothing else: pylibmc_gets.py ADDRESS COUNT. The keys are those of
`memlet-clients ADDRESS fill`."""

import itertools
import sys

import pylibmc

KEYS = 1000
VALUE_LEN = 100

address, count = sys.argv[1], int(sys.argv[2])
client = pylibmc.Client([address], binary=True, behaviors={"tcp_nodelay": True})
keys = [f"key-{n:014}" for n in range(KEYS)]
total = 0
for key in itertools.islice(itertools.cycle(keys), count):
    total += len(client.get(key))
sys.exit(total != count * VALUE_LEN)
