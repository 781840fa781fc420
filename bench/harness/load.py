"""Runs the load generator and folds rounds into medians."""

import json
import statistics
import subprocess

from .processes import HOST, BenchError

CLIENTS = 50


def command(options, contender, flags, seconds=None, seed=1, cpu_of=()):
    arguments = [str(options.load), "--host", HOST, "--port", str(contender.port)]
    arguments += ["--seconds", str(seconds or options.seconds), "--seed", str(seed)]
    arguments += [str(flag) for flag in flags]
    if cpu_of:
        arguments += ["--cpu-of", *[str(pid) for pid in cpu_of]]
    return arguments


def read(process, text, errors):
    """The generator's figures. A faulty reply stays in them; no figures at all end the run."""
    if not text.strip():
        raise BenchError(f"the load generator gave up: {errors.strip()} ({process.returncode})")
    return json.loads(text)


def start(options, contender, flags, seconds=None, seed=1, shards=()):
    """A run under way, for `end`."""
    pids = [contender.pid, *[shard.pid for shard in shards if shard.pid != contender.pid]]
    arguments = command(options, contender, flags, seconds, seed, pids)
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process, contender, seconds, shards=()):
    """The run's figures, when it is over."""
    try:
        text, errors = process.communicate(timeout=60 + 3 * float(seconds))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    result = read(process, text, errors)
    requests = max(1, result["requests"])
    times = result["cpu_us"]
    own = times.get(str(contender.pid))
    result["cpu_us_per_request"] = None if own is None else own / requests
    servers = [times.get(str(shard.pid)) for shard in shards]
    result["shards_us_per_request"] = None if None in servers else sum(servers) / requests
    result["load_us_per_request"] = result["load_cpu_us"] / requests
    result["faults"] = (
        result["error_replies"] + result["wrong_replies"] + result["lost_connections"]
    )
    return result


def run(options, contender, flags, seconds=None, seed=1, shards=()):
    process = start(options, contender, flags, seconds, seed, shards)
    return end(process, contender, seconds or options.seconds, shards)


def preload(options, contender, flags):
    """Writes every key of the workload through the contender."""
    run(options, contender, [*flags, "--preload", "--warmup", 0], seconds=0.05)


def median(results, *path):
    """Of one figure over the rounds; None when a round has none."""
    values = []
    for result in results:
        for step in path:
            result = result[step]
        values.append(result)
    return None if not values or None in values else statistics.median(values)
