"""Throughput, CPU per request and latency, and what it costs that an MSET is all or nothing."""

import dataclasses

from . import contenders, load, report
from .contenders import BASELINE, FANOUT, NUTCRACKER, RINGMASTER
from .processes import BenchError

SHARDS = 4


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    flags: tuple
    cpu_at_most: float | None = None  # against nutcracker
    throughput_at_least: float | None = None
    fanout_at_least: float | None = None  # as throughput_at_least, without sagas


PLAIN = ("--value-size", 32)
LARGE = ("--value-size", 16384, "--keys", 2000)  # 32 MB in all
WORKLOADS = [
    Workload("plain", "GET/SET 32 B, no pipelining", PLAIN, 0.80, 1.10),
    Workload("pipeline", "GET/SET 32 B, pipeline 32", (*PLAIN, "--pipeline", 32), 0.33, 1.60),
    Workload("large", "GET/SET 16 KiB, no pipelining", LARGE, 0.78, 1.15),
    Workload("mget", "MGET of 10 keys, 32 B", (*PLAIN, "--multi", 10, "--sets", 0), 0.75, 1.30),
    Workload("mset", "MSET of 10 keys, 32 B", (*PLAIN, "--multi", 10, "--sets", 1),
             throughput_at_least=0.50, fanout_at_least=0.95),
]

HEAD = ["workload", "through", "requests/s", "CPU us/request", "p50 ms", "p99 ms", "p99.9 ms"]
HEAD += ["CPU / nutcracker", "throughput / nutcracker"]


def measure(options, fleet):
    """{workload: {contender: [one result for each round]}}, rounds interleaved."""
    shards = contenders.start_shards(fleet, SHARDS)
    field = contenders.start_all(fleet, shards, options)
    options.versions.update({one.name: one.version for one in field})
    fanout = _start_fanout(options, fleet, shards)
    results = {}
    for workload in WORKLOADS:
        if options.only and workload.name not in options.only:
            continue
        visited = field + fanout if workload.fanout_at_least else field
        flags = ["--clients", load.CLIENTS, *workload.flags]
        rounds = results[workload.name] = {one.name: [] for one in visited}
        for one in visited:
            load.preload(options, one, flags)
        for turn in range(options.rounds):
            for one in visited:
                result = load.run(options, one, flags, seed=turn + 1, shards=shards)
                rounds[one.name].append(result)
                options.progress(f"{workload.name} round {turn + 1} {one.name}", result)
    return results


def _start_fanout(options, fleet, shards):
    if options.only and not any(one.fanout_at_least for one in WORKLOADS if one.name in options.only):
        return []
    try:
        return [contenders.start_ringmaster(fleet, shards, options.proxy, FANOUT,
                                            modes="MSET: fanout")]
    except BenchError as error:
        options.left_out(error)
        return []


def _row(workload, name, rounds, bars):
    mine = rounds[name]
    theirs = rounds.get(NUTCRACKER, [])
    cpu = load.median(mine, "cpu_us_per_request")
    throughput = load.median(mine, "throughput")
    row = [workload.title, name, report.number(throughput, 0)]
    row.append("-" if name == contenders.REDIS else report.number(cpu))
    row += [report.milliseconds(load.median(mine, "latency_us", p)) for p in ("p50", "p99", "p999")]
    if name not in (RINGMASTER, FANOUT, BASELINE):
        return row + ["", ""]
    judged = name == RINGMASTER
    throughput_at_least = {
        RINGMASTER: workload.throughput_at_least, FANOUT: workload.fanout_at_least
    }.get(name)
    row.append(
        bars.judge(
            f"{workload.title}: CPU against nutcracker",
            report.ratio(cpu, load.median(theirs, "cpu_us_per_request")),
            at_most=workload.cpu_at_most if judged else None,
        )
    )
    row.append(
        bars.judge(
            f"{workload.title}: throughput of {name} against nutcracker",
            report.ratio(throughput, load.median(theirs, "throughput")),
            at_least=throughput_at_least,
        )
    )
    return row


def _against_baseline(workload, rounds):
    """Before and after, when a second ringmaster took part."""
    old, new = rounds[BASELINE], rounds[RINGMASTER]
    figures = [
        report.number(report.ratio(load.median(new, *path), load.median(old, *path)), 3)
        for path in (("cpu_us_per_request",), ("throughput",), ("latency_us", "p99"))
    ]
    return [workload.title, "ringmaster / baseline", *figures]


def render(results, bars, markdown):
    rows = []
    compared = []
    for workload in WORKLOADS:
        rounds = results.get(workload.name)
        if not rounds:
            continue
        rows += [_row(workload, name, rounds, bars) for name in rounds]
        if BASELINE in rounds and RINGMASTER in rounds:
            compared.append(_against_baseline(workload, rounds))
    text = report.table(HEAD, rows, markdown)
    if compared:
        head = ["workload", "ratio of medians", "CPU", "throughput", "p99"]
        text += "\n\n" + report.table(head, compared, markdown)
    return text
