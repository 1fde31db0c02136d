"""The worker's side of protocol.mjs, in Python: runs its job once and says so, then answers each line `trial` with {"ms"}, and
`result` with what was found last."""

import json
import sys
import time


def say(message):
    print(json.dumps(message), flush=True)


def serve(job, version, packed=lambda result: result):
    result = job()
    say({"ready": True, "version": version})
    for line in sys.stdin:
        if line.strip() == "result":
            say(packed(result))
            continue
        start = time.perf_counter()
        result = job()
        say({"ms": (time.perf_counter() - start) * 1000})
