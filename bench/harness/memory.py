"""Resident memory: of idle connections, and while a huge value passes."""

import contextlib
import hashlib
import os
import pathlib
import socket
import time

from . import contenders, report
from .contenders import REDIS, RINGMASTER
from .processes import HOST, BenchError, Fleet, raise_file_limit

SHARDS = 4
IDLE_CONNECTIONS = 9000
IDLE_KIB_AT_MOST = 1.0
SPARE_FILES = 500
SETTLE = 2.0  # seconds: time for a proxy to give back what it needed only for a moment
BIG_VALUE = 256 << 20
BIG_MIB_AT_MOST = 16
CHUNK = 1 << 20
PATIENCE = 60.0


def resident_kib(pid):
    """Exact, unlike the counters in /proc/<pid>/statm, which the kernel keeps lazily."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise BenchError(f"/proc/{pid}/smaps_rollup names no Rss")


def peak_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise BenchError(f"/proc/{pid}/status names no VmHWM")


def forget_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def _dial(contender):
    client = socket.create_connection((HOST, contender.port), PATIENCE)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _receive(client, size):
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise BenchError("the connection was closed in the middle of a reply")
        data += more
    return data


def _get(client):
    client.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nidle\r\n")
    wanted = b"$32\r\n" + b"x" * 32 + b"\r\n"
    got = _receive(client, len(wanted))
    if got != wanted:
        raise BenchError(f"GET answered {got!r}")


def _set_small(client):
    client.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nidle\r\n$32\r\n" + b"x" * 32 + b"\r\n")
    _receive(client, len(b"+OK\r\n"))


def _idle_one(contender, count):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(_dial(contender))
        _set_small(first)
        _get(first)
        before = resident_kib(contender.pid)
        for _ in range(count):
            _get(stack.enter_context(_dial(contender)))
        time.sleep(SETTLE)
        after = resident_kib(contender.pid)
        _get(first)
    return {"before_kib": before, "after_kib": after, "kib_each": (after - before) / count}


def measure_idle(options):
    """Each contender in a fresh state; nutcracker with its smallest buffers."""
    count = min(IDLE_CONNECTIONS, raise_file_limit() - SPARE_FILES)
    results = {"connections": count, "contenders": {}}
    with Fleet() as fleet:
        shards = contenders.start_shards(fleet, SHARDS)
        for one in contenders.start_all(fleet, shards, options, mbuf_size=512):
            options.versions[one.name] = one.version
            results["contenders"][one.name] = _idle_one(one, count)
    return results


def render_idle(results, bars, markdown):
    rows = []
    count = results["connections"]
    for name, one in results["contenders"].items():
        what = f"{count} idle connections: KiB each"
        bar = IDLE_KIB_AT_MOST if name == RINGMASTER else None
        each = bars.judge(what, one["kib_each"], at_most=bar)
        rows.append(
            [f"{count} idle connections", name]
            + [report.number(one[key] / 1024, 1) for key in ("before_kib", "after_kib")]
            + [each]
        )
    head = ["case", "through", "resident MiB before", "after", "KiB a connection"]
    return report.table(head, rows, markdown)


def _chunks():
    """The value, different in each chunk, so that a lost or repeated piece shows."""
    base = os.urandom(CHUNK - 8)
    for index in range(BIG_VALUE // CHUNK):
        yield index.to_bytes(8, "big") + base


def _set_big(client):
    """Returns the digest of what was sent."""
    digest = hashlib.blake2b()
    client.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % BIG_VALUE)
    for chunk in _chunks():
        digest.update(chunk)
        client.sendall(chunk)
    client.sendall(b"\r\n")
    reply = _receive(client, len(b"+OK\r\n"))
    if reply != b"+OK\r\n":
        raise BenchError(f"SET answered {reply!r}")
    return digest.digest()


def _get_big(client):
    client.sendall(b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n")
    header = b"$%d\r\n" % BIG_VALUE
    got = _receive(client, len(header))
    if got != header:
        raise BenchError(f"GET answered {got!r}")
    digest = hashlib.blake2b()
    left = BIG_VALUE
    buffer = memoryview(bytearray(CHUNK))
    while left > 0:
        size = client.recv_into(buffer, min(left, CHUNK))
        if size == 0:
            raise BenchError("the connection was closed in the middle of the value")
        digest.update(buffer[:size])
        left -= size
    _receive(client, len(b"\r\n"))
    return digest.digest()


def _big_one(contender):
    with _dial(contender) as client:
        _set_small(client)
        _get(client)
        before = resident_kib(contender.pid)
        result = {"before_mib": before / 1024}
        sent = b""
        for name, step in (("set", _set_big), ("get", _get_big)):
            forget_peak(contender.pid)
            start = time.monotonic()
            digest = step(client)
            result[f"{name}_seconds"] = time.monotonic() - start
            result[f"{name}_growth_mib"] = (peak_kib(contender.pid) - before) / 1024
            if name == "set":
                sent = digest
            elif digest != sent:
                raise BenchError("the value came back changed")
        time.sleep(SETTLE)
        result["after_mib"] = resident_kib(contender.pid) / 1024
    return result


def measure_big(options):
    results = {}
    with Fleet() as fleet:
        shards = contenders.start_shards(fleet, SHARDS)
        for one in contenders.start_all(fleet, shards, options):
            options.versions[one.name] = one.version
            if one.name == REDIS:
                continue  # it stores the value: its growth says nothing
            try:
                results[one.name] = _big_one(one)
            except (BenchError, OSError) as error:
                if one.name == RINGMASTER:
                    raise
                options.note(f"{one.name} could not pass it: {error}")
    return results


def render_big(results, bars, markdown):
    rows = []
    for name, one in results.items():
        bar = BIG_MIB_AT_MOST if name == RINGMASTER else None
        row = ["256 MiB value", name, report.number(one["before_mib"], 1)]
        for step in ("set", "get"):
            what = f"256 MiB value, {step}: growth in MiB"
            row.append(report.number(one[f"{step}_seconds"]))
            row.append(bars.judge(what, one[f"{step}_growth_mib"], at_most=bar))
        rows.append([*row, report.number(one["after_mib"], 1)])
    head = ["case", "through", "resident MiB before", "SET s", "peak growth MiB", "GET s"]
    head += ["peak growth MiB", "resident MiB after"]
    return report.table(head, rows, markdown)
