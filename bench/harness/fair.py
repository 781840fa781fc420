"""What heavy clients do to interactive ones: issue 3's table."""

import contextlib
import dataclasses
import random
import time

from . import contenders, load, report
from .contenders import BASELINE, NUTCRACKER, REDIS, RINGMASTER

SHARDS = 4
# The machine is slow for moments, and 1 % of a short run is few commands. So a round is measured in
# slices, by turns, and the medians are over all slices: a slow moment hits a slice, not a contender.
SLICE = 1.0  # seconds
# Two nutcrackers side by side differ by so much, either way.
NOISE = 0.1
THROUGHPUT_NOISE = 0.03
AGAIN = "nutcracker again"
UNSCHEDULED = "ringmaster-unscheduled"
LET_THROUGH = ["schedule: {quantum: 65536, window: 65536}"]
HEAD_START = 0.5  # seconds that the heavy clients run before the others come
INTERACTIVE = ("--clients", 10, "--rate", 100, "--prefix", "interactive:")
PIPELINING = ("--clients", 4, "--pipeline", 500, "--prefix", "pipelined:")
VALUES = ("--clients", 4, "--value-size", 1_000_000, "--keys", 40, "--prefix", "large:")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    heavy: tuple | None
    interactive: bool = True
    against_nutcracker: float | None = None  # p99, at most
    against_redis: float | None = None
    together: bool = False  # all contenders at the same time


CASES = [
    Case(
        "quiet",
        "10 clients, 100/s each, alone",
        None,
        against_nutcracker=1 + NOISE,
        together=True,
    ),
    Case(
        "pipelines",
        "beside 4 clients pipelining 500 deep",
        PIPELINING,
        against_nutcracker=0.5,
        against_redis=0.75,
    ),
    Case("values", "beside 4 clients with 1 MB values", VALUES, against_nutcracker=0.6),
    Case("alone", "the 4 pipelining clients alone", PIPELINING, interactive=False),
]

HEAD = ["case", "through", "p50 ms", "p99 ms", "p99.9 ms", "p99 ms from due", "heavy requests/s"]
HEAD += ["p99 / nutcracker", "p99 / redis", "throughput / unscheduled"]
NOTE = (
    "A client sends one command at a time, so behind a slow one the next is sent late. Latency "
    "counts from when a command was sent; counted from when it was due, all lateness is in it. "
    f"The bar of the quiet case is 1 and {NOISE:g} for noise, that of the throughput 1 less "
    f"{THROUGHPUT_NOISE:g}; 'nutcracker again' is a second one, which shows the noise of this run. "
    "Unscheduled: quantum and window as wide as they go."
)


@contextlib.contextmanager
def _beside(options, contender, case, seconds, seed):
    """Runs the case's heavy clients meanwhile; their result is in the list afterwards."""
    results = []
    if case.heavy is None:
        yield results
        return
    process = load.start(options, contender, case.heavy, seconds + HEAD_START, seed)
    try:
        time.sleep(HEAD_START)
        yield results
        results.append(load.end(process, contender, seconds))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _slice(options, contender, case, seconds, seed):
    if not case.interactive:
        heavy = load.run(options, contender, case.heavy, seconds, seed)
        return {"heavy": heavy, "faults": heavy["faults"]}
    with _beside(options, contender, case, seconds, seed) as heavy:
        result = load.run(options, contender, INTERACTIVE, seconds, seed)
    result["heavy"] = heavy[0] if heavy else {"throughput": None}
    result["faults"] += result["heavy"].get("faults", 0)
    return result


def _together(options, field, seconds, seed):
    """So few commands leave room for all at once: what else the machine does hits all alike."""
    under_way = [(one, load.start(options, one, INTERACTIVE, seconds, seed)) for one in field]
    for one, process in under_way:
        result = load.end(process, one, seconds)
        result["heavy"] = {"throughput": None}
        yield one, result


def _turns(options, case, field):
    """(contender, result) for each slice."""
    count = max(1, round(options.rounds * options.seconds / SLICE))
    for turn in range(count):
        # Nobody always follows the same one, nor itself: who was just running finds its caches warm.
        order = random.Random(turn).sample(field, len(field))
        if case.together:
            yield from _together(options, order, SLICE, turn + 1)
            continue
        for one in order:
            yield one, _slice(options, one, case, SLICE, turn + 1)


def measure(options, fleet):
    shards = contenders.start_shards(fleet, SHARDS)
    field = contenders.start_all(fleet, shards, options)
    unscheduled = contenders.start_ringmaster(
        fleet, shards, options.proxy, UNSCHEDULED, more=LET_THROUGH
    )
    control = contenders.start_nutcracker(fleet, shards)
    control.name = AGAIN
    options.versions.update({one.name: one.version for one in field})
    for one in field:
        for flags in (INTERACTIVE, PIPELINING, VALUES):
            load.preload(options, one, flags)
    results = {}
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        all_of_it = field + ([control] if case.together else [])
        all_of_it += [] if case.interactive else [unscheduled]
        rounds = results[case.name] = {one.name: [] for one in all_of_it}
        for one, result in _turns(options, case, all_of_it):
            rounds[one.name].append(result)
            options.progress(f"{case.name} {one.name}", result)
    return results


def _row(case, name, rounds, bars):
    mine = rounds[name]
    heavy = report.number(load.median(mine, "heavy", "throughput"), 0)
    if not case.interactive:
        return [case.title, name, "-", "-", "-", "-", heavy, "", "", _unhindered(name, rounds, bars)]
    row = [case.title, name]
    row += [report.milliseconds(load.median(mine, "service_us", p)) for p in ("p50", "p99", "p999")]
    row += [report.milliseconds(load.median(mine, "latency_us", "p99")), heavy]
    for other, bar in ((NUTCRACKER, case.against_nutcracker), (REDIS, case.against_redis)):
        if name not in (RINGMASTER, BASELINE, AGAIN):
            row.append("")
            continue
        p99, theirs = (
            load.median(rounds.get(one, []), "service_us", "p99") for one in (name, other)
        )
        what = f"{case.title}: p99 against {other}"
        row.append(
            bars.judge(what, report.ratio(p99, theirs), at_most=bar if name == RINGMASTER else None)
        )
    return row + [""]


def _unhindered(name, rounds, bars):
    """Pipelining clients among themselves are not to pay for the scheduler."""
    if name != RINGMASTER:
        return ""
    mine, theirs = (load.median(rounds[one], "heavy", "throughput") for one in (name, UNSCHEDULED))
    what = "pipelining clients alone: throughput against nothing scheduled"
    return bars.judge(what, report.ratio(mine, theirs), at_least=1 - THROUGHPUT_NOISE)


def render(results, bars, markdown):
    rows = []
    for case in CASES:
        rounds = results.get(case.name, {})
        rows += [_row(case, name, rounds, bars) for name in rounds]
    return report.table(HEAD, rows, markdown) + "\n\n" + NOTE
