"""Busy clients that all arrived on one of four workers: what balancing makes of it, and what it
costs when there is nothing to do. Issue 3's last rows."""

import contextlib
import pathlib
import socket
import statistics
import time

from . import contenders, load, report
from .processes import HOST, BenchError

ON, OFF = "balance on", "balance off"
WORKERS = 4
SHARDS = 2
CLIENTS = 64
CLIENTS_SAY = ("--clients", CLIENTS, "--busy-every", WORKERS, "--keys", 1000)
# Two cores cannot keep one of four workers short of time with plain commands: the load and the
# shards take more than the worker. A user with so many key patterns makes each command cost the
# worker, and nobody else, some 150 microseconds.
PATTERNS = 6000
SHARE = 1.2  # of what one worker can do
WITHIN = 1.0  # seconds after which the workers have to be even
IDLE = 3.0
IMBALANCE_AT_MOST = 1.15
P99_AT_MOST = 0.5
IDLE_PERCENT_AT_MOST = 1.0


class Control:
    """A client for the proxy's own commands."""

    def __init__(self, contender):
        self._socket = socket.create_connection((HOST, contender.port), 10)
        self._file = self._socket.makefile("rb")

    def close(self):
        self._file.close()
        self._socket.close()

    def ask(self, *words):
        text = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        self._socket.sendall(f"*{len(words)}\r\n{text}".encode())
        line = self._file.readline().decode().rstrip()
        if line.startswith("-"):
            raise BenchError(f"{words[0]} is refused: {line}")
        if not line.startswith("$"):
            return line
        return self._file.read(int(line[1:]) + 2)[:-2].decode()

    def workers(self):
        """One dictionary for each worker."""
        return [
            dict(field.split("=", 1) for field in line.split(","))
            for line in self.ask("PROXY", "WORKERS").splitlines()
        ]


def _figures(control, name):
    return [int(worker[name]) for worker in control.workers()]


def _cpu_seconds(pid):
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _start(fleet, shards, options, name):
    more = ["balance: {push: false, pull: false}" if name == OFF else "balance: {gather: 0}"]
    proxy = contenders.start_ringmaster(
        fleet, shards, options.proxy, name.replace(" ", "-"), WORKERS, more
    )
    control = Control(proxy)
    patterns = [f"~*:user:{index}" for index in range(PATTERNS)]
    control.ask("ACL", "SETUSER", "default", "resetkeys", *patterns, "~key:*")
    return proxy, control


def _round(options, proxy, control, shards, rate, seed):
    flags = [*CLIENTS_SAY, "--rate", rate, "--warmup", WITHIN]
    moved = sum(_figures(control, "moved_in"))
    began = time.monotonic()
    process = load.start(options, proxy, flags, options.seconds, seed, shards)
    time.sleep(max(0.0, began + WITHIN - time.monotonic()))
    before = _figures(control, "requests")
    time.sleep(options.seconds * 0.9)
    done = [late - early for early, late in zip(before, _figures(control, "requests"))]
    result = load.end(process, proxy, options.seconds, shards)
    result["imbalance"] = max(done) * WORKERS / max(1, sum(done))
    result["moves"] = sum(_figures(control, "moved_in")) - moved
    return result


def _idle(proxy):
    """Percent of one core while nobody says anything."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection((HOST, proxy.port), 10))
        time.sleep(WITHIN)
        began, before = time.monotonic(), _cpu_seconds(proxy.pid)
        time.sleep(IDLE)
        return 100 * (_cpu_seconds(proxy.pid) - before) / (time.monotonic() - began)


def measure(options, fleet):
    shards = contenders.start_shards(fleet, SHARDS)
    field = {name: _start(fleet, shards, options, name) for name in (OFF, ON)}
    proxy, control = field[OFF]
    options.versions[proxy.name] = proxy.version
    load.preload(options, proxy, CLIENTS_SAY)
    # As fast as it goes: what one worker can do.
    most = [load.run(options, proxy, CLIENTS_SAY, 1, seed)["throughput"] for seed in (1, 2, 3)]
    rate = SHARE * statistics.median(most) / (CLIENTS // WORKERS)
    rounds = {name: [] for name in field}
    for turn in range(options.rounds):
        for name, (proxy, control) in field.items():
            result = _round(options, proxy, control, shards, rate, turn + 1)
            rounds[name].append(result)
            options.progress(f"skew round {turn + 1} {name}", result)
            if name == OFF and result["imbalance"] < 0.9 * WORKERS:
                options.left_out("a skew round: the busy clients did not arrive on one worker")
    idle = {name: _idle(proxy) for name, (proxy, _) in field.items()}
    for _, control in field.values():
        control.close()
    return {"rate": rate, "rounds": rounds, "idle_percent": idle}


def render(results, bars, markdown):
    rounds, idle = results["rounds"], results["idle_percent"]
    p99 = {name: load.median(mine, "latency_us", "p99") for name, mine in rounds.items()}
    rows = []
    for name, mine in rounds.items():
        judged = name == ON
        row = ["16 busy of 64 clients on one of 4 workers", name]
        row.append(report.number(load.median(mine, "throughput"), 0))
        row.append(report.milliseconds(load.median(mine, "latency_us", "p50")))
        row.append(report.milliseconds(p99[name]))
        row.append(
            bars.judge(
                f"skew, {name}: busiest worker over the mean after {WITHIN:g} s",
                load.median(mine, "imbalance"),
                at_most=IMBALANCE_AT_MOST if judged else None,
            )
        )
        row.append(
            bars.judge(
                "skew: p99 of the busy clients against balancing off",
                report.ratio(p99[ON], p99[OFF]),
                at_most=P99_AT_MOST,
            )
            if judged
            else ""
        )
        row.append(report.number(load.median(mine, "moves"), 0))
        row.append(
            bars.judge(
                f"idle, {name}: percent of a core",
                idle[name],
                at_most=IDLE_PERCENT_AT_MOST if judged else None,
            )
        )
        rows.append(row)
    head = ["case", "through", "requests/s", "p50 ms", "p99 ms", "busiest / mean"]
    head += ["p99 / off", "moves", "idle, % of a core"]
    note = (
        f"Each busy client sends {results['rate']:,.0f} commands a second, together "
        f"{SHARE:.0%} of what one worker can do; latency counts from when a command was due, from "
        f"{WITHIN:g} s on. A command costs the worker more than usual: its user has {PATTERNS} key "
        "patterns."
    )
    return report.table(head, rows, markdown) + "\n\n" + note
