"""How fast keys move beside calm clients, and what these notice: part of bench/run --moves."""

import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from . import contenders, load, report
from .processes import HOST, BenchError, Fleet, free_port
from .skew import Control

KEYS = 600_000
LARGE_KEYS = 32
LARGE = 8 << 20
HOT = 10  # so few that the wait for their arrival is not what the p99 shows
RATE = 1_000
POLLS = 500  # of an operator, a second
SPEED_AT_LEAST = 0.3
P99_AT_MOST = 1.5
PATIENCE = 120.0
LOOK_EVERY = 0.02
SETTLED = 0.3  # seconds in which what the preload left behind is over

# Whether clients work meanwhile, whether an operator polls, whether keys are large, whether shards
# speak TLS.
CASES = {
    f"{RATE:,} commands a second": (True, False, False, False),
    f"{POLLS} STATUS polls a second": (False, True, False, False),
    f"{RATE:,} a second, keys of 8 MB": (True, False, True, False),
    f"{RATE:,} a second, shards behind TLS": (True, False, False, True),
    f"{RATE:,} a second, keys of 8 MB, TLS": (True, False, True, True),
}


def _certificate(folder):
    key, certificate = folder / "bench-key.pem", folder / "bench-cert.pem"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True, timeout=60,
        )
    return key, certificate


def _start_shards(fleet, tls):
    """Two, and what their lines in the configuration end with."""
    shards = contenders.start_shards(fleet, 2)
    if not tls:
        return shards, ""
    key, certificate = _certificate(fleet.folder)
    for shard in shards:
        port = free_port()
        with socket.create_connection((HOST, shard.port), 10) as plain:
            for name, value in (("tls-cert-file", certificate), ("tls-key-file", key),
                                ("tls-ca-cert-file", certificate), ("tls-auth-clients", "no"),
                                ("tls-port", port)):
                plain.sendall(f"CONFIG SET {name} {value}\r\n".encode())
                answer = plain.recv(4096)
                if not answer.startswith(b"+OK"):
                    raise BenchError(f"redis-server cannot do TLS: {answer.decode().strip()}")
        shard.port = port
    return shards, f", tls: {{ca: '{certificate}'}}"


class _Poller:
    """An operator's own client that looks again and again."""

    def __init__(self, ring):
        self._ring, self._over = ring, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        control = Control(self._ring.proxy)
        while not self._over.wait(1 / POLLS):
            control.ask("PROXY", "REBALANCE", "STATUS")
        control.close()

    def close(self):
        self._over.set()
        self._thread.join()


def _speed(ring, to, process=None):
    """Bytes a second from the moment on that keys move until all are there, or, before that, until
    `process` ends."""
    ring.change([to])
    ring.until_moving()
    began = now = time.monotonic()
    if process is not None:
        process.send_signal(signal.SIGUSR1)
    moved = 0
    while now - began < PATIENCE:
        status = ring.status()
        now = time.monotonic()
        if status["state"] != "moving":
            moved = int(ring.settle()["last_move"].split()[4])
            break
        moved = int(status["bytes_moved"])
        if process is not None and process.poll() is not None:
            break
        time.sleep(LOOK_EVERY)
    return moved / (now - began)


def _case(fleet, options, ring_class, name, results):
    clients, polls, large, tls = CASES[name]
    shards, extra = _start_shards(fleet, tls)
    ring = ring_class(fleet, options, shards, 1, extra=extra)
    size = ["--value-size", LARGE, "--keys", LARGE_KEYS] if large else ["--keys", KEYS]
    load.preload(options, ring.proxy, size)
    flags = ["--clients", 1, "--rate", RATE, "--keys", HOT, "--prefix", "hot:"]
    load.preload(options, ring.proxy, flags)
    rounds = results[name] = {"alone": [], "beside": [], "still": [], "moving": []}
    at = 0
    for turn in range(options.rounds):
        time.sleep(SETTLED)
        at = 1 - at
        alone = _speed(ring, at)
        rounds["alone"].append(alone)
        if clients:
            rounds["still"].append(load.run(options, ring.proxy, flags, seed=turn, shards=shards))
        poller = _Poller(ring) if polls else None
        waiting = [*flags, "--warmup", PATIENCE, "--start-on-signal"]
        process = load.start(options, ring.proxy, waiting, None, turn, shards) if clients else None
        time.sleep(SETTLED)
        at = 1 - at
        beside = _speed(ring, at, process)
        rounds["beside"].append(beside)
        line = f"{name}, round {turn + 1}: {alone / 1e6:.1f} MB/s alone, {beside / alone:.2f} beside"
        if clients:
            rounds["moving"].append(load.end(process, ring.proxy, options.seconds, shards))
            p99 = [rounds[part][-1]["latency_us"]["p99"] for part in ("still", "moving")]
            line += f", p99 {p99[0]:.0f} us still, {p99[1]:.0f} moving"
        if poller is not None:
            poller.close()
        ring.settle()
        print(f"  {line}", file=sys.stderr)
    ring.close()


def measure(options, ring_class, results):
    """Each case with shards of its own, for what another left there takes memory."""
    for name in CASES:
        with Fleet() as fleet:
            _case(fleet, options, ring_class, name, results)


def rows(results, bars):
    """Of report.table: case, MB/s alone, that beside against alone, p99, that against no move."""
    table = []
    for name, rounds in results.items():
        share = statistics.median(b / a for a, b in zip(rounds["alone"], rounds["beside"]))
        row = [name, report.number(statistics.median(rounds["alone"]) / 1e6, 1),
               bars.judge(f"{name}: speed against alone", share, at_least=SPEED_AT_LEAST)]
        if rounds["still"]:
            still = load.median(rounds["still"], "latency_us", "p99")
            moving = load.median(rounds["moving"], "latency_us", "p99")
            row += [report.milliseconds(still), report.milliseconds(moving),
                    bars.judge(f"{name}: p99 against no move", report.ratio(moving, still),
                               at_most=P99_AT_MOST)]
        table.append(row + [""] * (6 - len(row)))
    return table
