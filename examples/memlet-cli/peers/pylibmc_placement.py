"""Where pylibmc (libmemcached) places keys: prints the index of the server for each line of standard input.

With --store the keys are also stored there, each with itself as its value, over the binary protocol.
"""

import argparse
import json
import sys

import pylibmc

parser = argparse.ArgumentParser()
parser.add_argument("--servers", required=True, help="with commas between")
parser.add_argument("--behaviors", required=True, type=json.loads)
parser.add_argument("--store", action="store_true")
given = parser.parse_args()

client = pylibmc.Client(given.servers.split(","), binary=True, behaviors=given.behaviors)
keys = sys.stdin.buffer.read().split(b"\n")[:-1]
if given.store:
    failed = client.set_multi({key: key for key in keys})
    if failed:
        sys.exit(f"{len(failed)} keys were not stored")
print("\n".join(str(client.hash(key)) for key in keys))
