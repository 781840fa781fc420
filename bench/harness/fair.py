"""What heavy clients do to interactive ones: issue 3's table."""

import contextlib
import dataclasses
import subprocess
import time

from . import contenders, load, report
from .contenders import BASELINE, NUTCRACKER, REDIS, RINGMASTER

SHARDS = 4
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


CASES = [
    Case("quiet", "10 clients, 100/s each, alone", None, against_nutcracker=1.0),
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
HEAD += ["p99 / nutcracker", "p99 / redis"]
NOTE = (
    "A client sends one command at a time, so behind a slow one the next is sent late. Latency "
    "counts from when a command was sent; counted from when it was due, all lateness is in it."
)


@contextlib.contextmanager
def _beside(options, contender, case, seed):
    """Runs the case's heavy clients meanwhile; their result is in the list afterwards."""
    results = []
    if case.heavy is None:
        yield results
        return
    arguments = load.command(options, contender, case.heavy, options.seconds + HEAD_START, seed)
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(HEAD_START)
        yield results
        text, errors = process.communicate(timeout=60 + options.seconds)
        results.append(load.read(process, text, errors))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _round(options, contender, case, seed):
    if not case.interactive:
        heavy = load.run(options, contender, case.heavy, seed=seed)
        return {"heavy": heavy, "faults": heavy["faults"]}
    with _beside(options, contender, case, seed) as heavy:
        result = load.run(options, contender, INTERACTIVE, seed=seed)
    result["heavy"] = heavy[0] if heavy else {"throughput": None}
    for fault in ("error_replies", "wrong_replies", "lost_connections"):
        result["faults"] += result["heavy"].get(fault, 0)
    return result


def measure(options, fleet):
    shards = contenders.start_shards(fleet, SHARDS)
    field = contenders.start_all(fleet, shards, options)
    options.versions.update({one.name: one.version for one in field})
    for one in field:
        for flags in (INTERACTIVE, PIPELINING, VALUES):
            load.preload(options, one, flags)
    results = {}
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        rounds = results[case.name] = {one.name: [] for one in field}
        for turn in range(options.rounds):
            for one in field:
                result = _round(options, one, case, seed=turn + 1)
                rounds[one.name].append(result)
                options.progress(f"{case.name} round {turn + 1} {one.name}", result)
    return results


def _row(case, name, rounds, bars):
    mine = rounds[name]
    heavy = report.number(load.median(mine, "heavy", "throughput"), 0)
    if not case.interactive:
        return [case.title, name, "-", "-", "-", "-", heavy, "", ""]
    row = [case.title, name]
    row += [report.milliseconds(load.median(mine, "service_us", p)) for p in ("p50", "p99", "p999")]
    row += [report.milliseconds(load.median(mine, "latency_us", "p99")), heavy]
    for other, bar in ((NUTCRACKER, case.against_nutcracker), (REDIS, case.against_redis)):
        if name not in (RINGMASTER, BASELINE):
            row.append("")
            continue
        p99, theirs = (
            load.median(rounds.get(one, []), "service_us", "p99") for one in (name, other)
        )
        what = f"{case.title}: p99 against {other}"
        row.append(
            bars.judge(what, report.ratio(p99, theirs), at_most=bar if name == RINGMASTER else None)
        )
    return row


def render(results, bars, markdown):
    rows = []
    for case in CASES:
        rounds = results.get(case.name, {})
        rows += [_row(case, name, rounds, bars) for name in rounds]
    return report.table(HEAD, rows, markdown) + "\n\n" + NOTE
