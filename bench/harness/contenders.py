"""Who is measured: straight to one Redis, nutcracker and ringmaster, over the same shards."""

import dataclasses
import pathlib
import shutil
import subprocess

from .processes import HOST, BenchError, free_port

REDIS = "redis"
NUTCRACKER = "nutcracker"
RINGMASTER = "ringmaster"
FANOUT = "ringmaster, fanout"  # writes over shards without sagas
BASELINE = "baseline"
HOW_TO_BUILD = "cmake --preset release && cmake --build --preset release"


@dataclasses.dataclass
class Contender:
    name: str
    port: int
    pid: int
    version: str
    is_proxy: bool = True
    config: pathlib.Path | None = None  # ringmaster's


def _version(arguments):
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
    )
    words = (done.stdout + done.stderr).strip()
    return words.splitlines()[0].strip() if words else "unknown"


def start_shards(fleet, count):
    """`count` redis-servers that keep nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise BenchError("redis-server is missing: apt-get install redis-server")
    version = _version([program, "--version"]).removeprefix("Redis server v=").split(" ")[0]
    shards = []
    for index in range(count):
        port = free_port()
        name = f"redis-{index}"
        arguments = [program, "--port", port, "--bind", HOST, "--save", "", "--appendonly", "no"]
        arguments += ["--dir", fleet.folder, "--maxclients", 15000, "--tcp-backlog", 4096]
        process = fleet.start(name, arguments)
        fleet.wait_ready(name, process, port)
        shards.append(Contender(REDIS, port, process.pid, f"Redis {version}", is_proxy=False))
    return shards


def start_nutcracker(fleet, shards, mbuf_size=None):
    program = shutil.which("nutcracker") or shutil.which("nutcracker", path="/usr/sbin")
    if program is None:
        raise BenchError("nutcracker is missing: apt-get install nutcracker")
    port = free_port()
    name = f"{NUTCRACKER}-{port}"
    config = fleet.folder / f"{name}.yml"
    lines = ["bench:", f"  listen: {HOST}:{port}", "  hash: fnv1a_64", "  distribution: ketama"]
    lines += ["  redis: true", "  preconnect: true", "  backlog: 4096", "  servers:"]
    lines += [f"   - {HOST}:{shard.port}:1 s{index}" for index, shard in enumerate(shards)]
    config.write_text("\n".join(lines) + "\n")
    arguments = [program, "-c", config, "-a", HOST, "-s", free_port()]
    if mbuf_size is not None:
        arguments += ["-m", mbuf_size]
    process = fleet.start(name, arguments)
    fleet.wait_ready(name, process, port)
    version = _version([program, "--version"]).removeprefix("This is ")
    return Contender(NUTCRACKER, port, process.pid, version)


def write_config(config, port, shards, workers=1, more=(), modes="", extra=""):
    """`shards`: with the numbers that name them, `extra`: of each; `more`: further lines; `modes`:
    of sagas."""
    addresses = ", ".join(
        f"{{name: s{index}, address: '{HOST}:{shard.port}'{extra}}}" for index, shard in shards
    )
    config.write_text(
        "pools:\n"
        f"  - name: bench\n    listen: ['{HOST}:{port}']\n    shards: [{addresses}]\n"
        f"workers: {workers}\n"
        f"log: {{level: warning, file: '{config.with_suffix('.log')}'}}\n"
        f"saga: {{journal: '{config.with_suffix('.db')}', modes: {{{modes}}}}}\n"
        "admin: {listen: ''}\n"
        + "".join(f"{line}\n" for line in more)
    )


def start_ringmaster(
    fleet, shards, program, name=RINGMASTER, workers=1, more=(), modes="", extra=""
):
    if not pathlib.Path(program).is_file():
        raise BenchError(f"{program} is missing: {HOW_TO_BUILD}")
    port = free_port()
    label = f"{name.split(',')[0]}-{port}"
    config = fleet.folder / f"{label}.yml"
    write_config(config, port, list(enumerate(shards)), workers, more, modes, extra)
    program = pathlib.Path(program).resolve()
    process = fleet.start(label, [program, "--config", config])
    fleet.wait_ready(label, process, port)
    return Contender(name, port, process.pid, _version([program, "--version"]), config=config)


def start_all(fleet, shards, options, mbuf_size=None):
    """In the order in which a round visits them. One that is missing is named, not fatal, so that
    the others can be measured without it; the run then counts as failed."""
    contenders = [shards[0]]
    starters = [
        lambda: start_nutcracker(fleet, shards, mbuf_size),
        lambda: start_ringmaster(fleet, shards, options.proxy),
    ]
    if options.baseline:
        starters.append(lambda: start_ringmaster(fleet, shards, options.baseline, BASELINE))
    for start in starters:
        try:
            contenders.append(start())
        except BenchError as error:
            options.left_out(error)
    return contenders
