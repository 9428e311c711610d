"""Wakes a sleeping loop in another process, again and again: sends a byte, waits for it to come back.

    poker.py FD COUNT

Prints the latencies' percentiles in microseconds. A process of its own.
"""

import json
import socket
import sys
import time


def main() -> None:
    peer = socket.socket(fileno=int(sys.argv[1]))
    latencies = []
    for _ in range(int(sys.argv[2])):
        time.sleep(0.0005)  # until the loop is asleep
        began = time.perf_counter()
        peer.send(b"x")
        peer.recv(1)
        latencies.append(time.perf_counter() - began)
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * share)] * 1e6 for share in (0.5, 0.99))
    print(json.dumps({"p50_us": p50, "p99_us": p99}), flush=True)


main()
