"""redis-benchmark's whole default list through the proxy: not one error reply is allowed."""

import csv
import shutil
import subprocess

from . import contenders, report
from .processes import HOST, BenchError, Fleet

REQUESTS = 20000
PIPELINES = (1, 16)
SHARD_COUNTS = (1, 4)
KEY_SPACES = (None, 10000)  # without -r every command uses one key; with it MSET crosses shards
PATIENCE = 300


def _run(program, port, pipeline, keys):
    arguments = [program, "-h", HOST, "-p", str(port), "-n", str(REQUESTS), "-P", str(pipeline)]
    arguments += ["--csv"] + (["-r", str(keys)] if keys else [])
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    # Rows are "test","rps",...; anything else that it prints is a complaint.
    tests = {}
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    for line in done.stdout.splitlines():
        row = next(csv.reader([line]), [])
        if len(row) >= 2 and line.startswith('"'):
            if row[0] != "test":
                tests[row[0]] = float(row[1])
        elif line.strip():
            complaints.append(line.strip())
    return {"tests": tests, "complaints": complaints, "exit": done.returncode}


def measure(options):
    program = shutil.which("redis-benchmark")
    if program is None:
        raise BenchError("redis-benchmark is missing: apt-get install redis-tools")
    results = []
    for count in SHARD_COUNTS:
        with Fleet() as fleet:
            shards = contenders.start_shards(fleet, count)
            proxy = contenders.start_ringmaster(fleet, shards, options.proxy)
            options.versions[proxy.name] = proxy.version
            for pipeline in PIPELINES:
                for keys in KEY_SPACES:
                    result = _run(program, proxy.port, pipeline, keys)
                    straight = _run(program, shards[0].port, pipeline, keys)
                    missing = sorted(set(straight["tests"]) - set(result["tests"]))
                    result |= {"shards": count, "pipeline": pipeline, "keys": keys}
                    result |= {"missing": missing, "straight": straight["tests"]}
                    results.append(result)
    return results


def render(results, bars, markdown):
    rows = []
    for result in results:
        title = f"-P {result['pipeline']}" + (f" -r {result['keys']}" if result["keys"] else "")
        good = not result["missing"] and not result["complaints"] and result["exit"] == 0
        verdict = "ok" if good else "; ".join(result["complaints"] + result["missing"]) or "failed"
        shards = f"{result['shards']} shard" + ("s" if result["shards"] > 1 else "")
        rows.append([f"redis-benchmark {title}", shards, str(len(result["tests"])), verdict])
        if not good:
            bars.failed.append(f"redis-benchmark {title} over {shards}: {verdict}")
    return report.table(["case", "over", "tests", "verdict"], rows, markdown)
