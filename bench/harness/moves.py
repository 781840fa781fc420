"""What clients notice while keys move between shards, and how fast they move: issue 6's table."""

import signal
import statistics
import time

from . import beside, contenders, load, report
from .processes import BenchError
from .skew import Control

PARTS = ("speed-of-moves", "freezes", "while-moving", "beside-calm-clients")
SPEED_KEYS = 300_000
SPEED_AT_LEAST = 60_000
FREEZES = 60  # moves of few keys, so that there are many
FREEZE_KEYS = 5_000
FREEZE_MS_AT_MOST = 20
SHARDS = 4
KEYS = 400_000  # so many that a move outlasts a round
HOT = 20_000  # those that clients use
RATE = 10_000  # of interactive clients on a timetable
P99_AT_MOST = 1.5
THROUGHPUT_AT_LEAST = 0.85
SHARE_AT_MOST = 1.1 / 5
PATIENCE = 120.0


class Ring:
    """A proxy whose shards change."""

    def __init__(self, fleet, options, shards, first, extra=""):
        """`extra`: what each shard's line ends with."""
        self._all, self._extra = shards, extra
        self.proxy = contenders.start_ringmaster(
            fleet, shards[:first], options.proxy, extra=extra
        )
        self.control = Control(self.proxy)

    def change(self, numbers):
        """To the shards of these numbers; returns at once."""
        contenders.write_config(
            self.proxy.config, self.proxy.port, [(n, self._all[n]) for n in numbers],
            extra=self._extra,
        )
        self.control.ask("PROXY", "RELOAD")

    def status(self):
        lines = self.control.ask("PROXY", "REBALANCE", "STATUS").splitlines()
        return dict(line.split(": ", 1) for line in lines)

    def until_moving(self):
        """Seconds until the checks are over and keys move."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            status = self.status()
            if status["state"] == "moving":
                return time.monotonic() - began
            if status["state"] == "stable" and "waiting" in status:
                raise BenchError(f"the ring does not change: {status['waiting']}")
            time.sleep(0.01)
        raise BenchError(f"no key moves after {PATIENCE:g} s: {status}")

    def settle(self, every=0.02):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = self.status()
            if status["state"] == "stable":
                if "waiting" in status:
                    raise BenchError(f"the ring does not change: {status['waiting']}")
                return status
            time.sleep(every)
        raise BenchError(f"keys still move after {PATIENCE:g} s: {status}")

    def close(self):
        self.control.close()


def _moved(status):
    """Keys, and how many of them clients pulled: "epoch 2: 7 keys, 9 bytes in 0.1 s, 3 of..."."""
    words = status["last_move"].split()
    return int(words[2]), int(words[words.index("s,") + 1])


def _speed(fleet, options, results):
    """Everything from one shard to another, nobody else there."""
    shards = contenders.start_shards(fleet, 2)
    ring = Ring(fleet, options, shards, 1)
    load.preload(options, ring.proxy, ["--value-size", 32, "--keys", SPEED_KEYS])
    rates = results["keys_per_second"] = []
    for turn in range(options.rounds):
        began = time.monotonic()
        ring.change([1 - turn % 2])
        keys, _ = _moved(ring.settle(0.05))
        rates.append(keys / (time.monotonic() - began))
        if keys != SPEED_KEYS:
            raise BenchError(f"{keys} of {SPEED_KEYS} keys moved")
        options.note(f"moved {keys} keys at {rates[-1]:,.0f} a second")
    ring.close()


def _freezes(fleet, options, results):
    """A shard joins and leaves again and again under load."""
    shards = contenders.start_shards(fleet, 3)
    ring = Ring(fleet, options, shards, 2)
    flags = ["--clients", load.CLIENTS, "--value-size", 32, "--keys", FREEZE_KEYS, "--pipeline", 4]
    load.preload(options, ring.proxy, flags)
    seconds = FREEZES * 0.4
    process = load.start(options, ring.proxy, flags, seconds, 1, shards)
    frozen = results["freeze_us"] = []
    before = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and len(frozen) < FREEZES:
        ring.change([0, 1, 2] if len(frozen) % 2 == 0 else [0, 1])
        status = ring.settle(0.01)
        if int(status["freezes"]) != before:
            before = int(status["freezes"])
            frozen.append(int(status["last_freeze_micros"]))
    results["freeze_load"] = load.end(process, ring.proxy, seconds, shards)
    options.progress(f"{len(frozen)} freezes, longest {max(frozen)} us", results["freeze_load"])
    ring.close()


# What the clients do, and whether its figures are held against the bars. Where all keys are used
# alike, one of five commands is the first on a key that moves, which is as bad as it gets.
LOADS = {
    "as fast as it goes": (("--clients", load.CLIENTS, "--keys", HOT), True),
    f"{RATE:,} a second": (("--clients", 20, "--rate", RATE / 20, "--keys", HOT), True),
    "as fast as it goes, all keys alike": (("--clients", load.CLIENTS, "--keys", KEYS), False),
}


def _while_moving(fleet, options, results):
    """The same load without a move and from the moment on that keys move; the fifth shard joins and
    leaves in turn."""
    shards = contenders.start_shards(fleet, SHARDS + 1)
    ring = Ring(fleet, options, shards, SHARDS)
    load.preload(options, ring.proxy, ["--value-size", 32, "--keys", KEYS])
    results["share"] = []
    for name, (how, _) in LOADS.items():
        rounds = results[name] = {"still": [], "moving": []}
        flags = [*how, "--value-size", 32]
        for turn in range(options.rounds):
            rounds["still"].append(load.run(options, ring.proxy, flags, seed=turn, shards=shards))
            waiting = [*flags, "--warmup", PATIENCE, "--start-on-signal"]
            process = load.start(options, ring.proxy, waiting, None, turn, shards)
            time.sleep(0.3)
            joins = ring.status()["epoch"] in {str(odd) for odd in range(1, 1000, 2)}
            began = time.monotonic()
            ring.change(range(SHARDS + 1) if joins else range(SHARDS))
            checks = ring.until_moving()
            process.send_signal(signal.SIGUSR1)
            result = load.end(process, ring.proxy, options.seconds, shards)
            state = ring.status()["state"]
            status = ring.settle()
            moved, pulled = _moved(status)
            result.update(moved=moved, pulled=pulled, checks_seconds=checks)
            result.update(move_seconds=time.monotonic() - began)
            results["share"].append(moved / KEYS)
            rounds["moving"].append(result)
            options.progress(f"{name}, round {turn + 1}: {moved} keys, {pulled} pulled", result)
            if state != "moving":
                options.note(f"{name}, round {turn + 1}: the move ended before the load")
    ring.close()


def _beside(_, options, results):
    beside.measure(options, Ring, results)


def measure(options, fleet):
    results = {}
    for name, part in zip(PARTS, (_speed, _freezes, _while_moving, _beside)):
        if not options.only or name in options.only:
            part(fleet, options, results.setdefault(name, {}))
    return results


def _percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _rows_while_moving(results, bars):
    rows = []
    for name, (_, judged) in LOADS.items():
        still, moving = results[name]["still"], results[name]["moving"]
        rows.append([name, "no move", report.number(load.median(still, "throughput"), 0),
                     report.milliseconds(load.median(still, "latency_us", "p50")),
                     report.milliseconds(load.median(still, "latency_us", "p99")), "", ""])
        p99 = report.ratio(load.median(moving, "latency_us", "p99"),
                           load.median(still, "latency_us", "p99"))
        through = report.ratio(load.median(moving, "throughput"), load.median(still, "throughput"))
        rows.append([name, "keys move", report.number(load.median(moving, "throughput"), 0),
                     report.milliseconds(load.median(moving, "latency_us", "p50")),
                     report.milliseconds(load.median(moving, "latency_us", "p99")),
                     bars.judge(f"{name}: p99 against no move", p99,
                                at_most=P99_AT_MOST if judged else None),
                     bars.judge(f"{name}: throughput against no move", through,
                                at_least=THROUGHPUT_AT_LEAST if judged else None)])
    return rows


def render(results, bars, markdown):
    figures = []
    if PARTS[0] in results:
        rates = results[PARTS[0]]["keys_per_second"]
        figures.append([f"{SPEED_KEYS:,} small keys from shard to shard", "keys a second",
                        bars.judge("keys a second", statistics.median(rates),
                                   at_least=SPEED_AT_LEAST)])
    if PARTS[1] in results:
        one = results[PARTS[1]]
        milliseconds = [value / 1000 for value in one["freeze_us"]]
        rate = one["freeze_load"]["throughput"]
        figures.append([f"{len(milliseconds)} freezes at {rate:,.0f} commands a second", "p50 ms",
                        report.number(_percentile(milliseconds, 0.5))])
        figures.append(["", "p99 ms", bars.judge("freeze p99, ms", _percentile(milliseconds, 0.99),
                                                 at_most=FREEZE_MS_AT_MOST)])
    text = ""
    if PARTS[2] in results:
        share = max(results[PARTS[2]]["share"])
        figures.append(["4 shards to 5 and back", "share of keys moved",
                        bars.judge("share of keys moved", share, at_most=SHARE_AT_MOST)])
        head = ["load", "ring", "requests/s", "p50 ms", "p99 ms", "p99 / no move"]
        head.append("throughput / no move")
        rows = _rows_while_moving(results[PARTS[2]], bars)
        text = "\n\n" + report.table(head, rows, markdown)
    if PARTS[3] in results:
        head = ["beside the sweep", "MB/s alone", "speed / alone", "p99 ms", "p99 ms, moving"]
        head.append("p99 / no move")
        text += "\n\n" + report.table(head, beside.rows(results[PARTS[3]], bars), markdown)
    return report.table(["what", "figure", "value"], figures, markdown) + text
