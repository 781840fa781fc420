"""The servers, the proxy, and what befalls them."""
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

from evil import EvilShard
from wire import Gone, Late, Wire, http_get

SHARDS = 5
FIRST = 3  # in the ring from the beginning
DRAIN = 3  # seconds, timeouts.drain
# What a page of the admin listener may take that asks every worker.
PAGE_PATIENCE = 5
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=66:detect_leaks=1:quarantine_size_mb=32:malloc_context_size=20",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=66:second_deadlock_stack=1",
}
TRACE = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:|check failed|terminate called|has stood still")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tie_to_us():
    """The child ends with this program, however it ends."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class World:
    def __init__(self, program, folder, seed, sanitized):
        self.program, self.folder, self.sanitized = program, pathlib.Path(folder), sanitized
        self.draw = random.Random(seed)
        self.began = time.monotonic()
        self.notes = []
        self.notes_lock = threading.Lock()
        self.findings = []
        self.lives = 0
        self.actions = {}
        self.proxy = None
        self.stopped = None  # a shard under SIGSTOP, and when it goes on
        self.dead = None     # a shard that was killed, and when it comes back
        self.places = {"main": free_port(), "tls": free_port(), "second": free_port(), "admin": free_port(),
                       "unix": str(self.folder / "main.sock")}
        self.ports = [free_port() for _ in range(SHARDS + 2)]  # the last two: the second pool's
        self.servers = [self.start_server(port) for port in self.ports]
        self.evil = EvilShard(self.ports[-1], seed, self.note)
        self.weights = [1] * FIRST + [0] * (SHARDS - FIRST)
        self.settings = {}
        self.certificate()
        self.start_proxy()

    # --- telling

    def note(self, text):
        with self.notes_lock:
            self.notes.append(f"{time.monotonic() - self.began:8.2f} {text}")

    def find(self, text):
        self.note("FOUND " + text)
        with self.notes_lock:
            self.findings.append(text)

    # --- starting and stopping

    def certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def spawn(self, command, log, **environment):
        with open(self.folder / log, "ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=self.folder,
                                    env=dict(os.environ, **environment), preexec_fn=tie_to_us)

    def start_server(self, port):
        folder = self.folder / f"redis-{port}"
        folder.mkdir(exist_ok=True)
        return self.spawn(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
                           "--enable-debug-command", "yes", "--maxmemory", "256mb"], f"redis-{port}.log")

    def yaml(self):
        get = self.settings.get
        shards = "\n".join(f"      - {{name: s{i}, address: '127.0.0.1:{self.ports[i]}', weight: {w}}}"
                           for i, w in enumerate(self.weights) if w)
        tls = f"{{address: '127.0.0.1:{self.places['tls']}', tls: {{cert: {self.folder}/cert.pem, key: {self.folder}/key.pem}}}}"
        listeners = [f"'127.0.0.1:{self.places['main']}'", tls, self.places["unix"]]
        if get("turned"):
            listeners.reverse()
        users = ("    users:\n      - {name: default, nopass: true}\n      - {name: bob, password: p, keys: ['k*'], commands: '+@all -@admin'}\n"
                 if get("users") else "")
        second = ("" if get("alone") else
                  f"  - name: second\n    listen: ['127.0.0.1:{self.places['second']}']\n    shards:\n"
                  f"      - {{name: good, address: '127.0.0.1:{self.ports[SHARDS]}'}}\n"
                  f"      - {{name: evil, address: '127.0.0.1:{self.evil.port}', weight: {get('evil', 1)}}}\n")
        return (f"pools:\n  - name: main\n    listen: [{', '.join(listeners)}]\n{users}    shards:\n{shards}\n{second}"
                f"workers: 2\nadmin: {{listen: '127.0.0.1:{self.places['admin']}'}}\n"
                f"saga: {{journal: '{self.folder}/state.db', isolated_reads: {get('isolated', 'false')}}}\n"
                f"timeouts: {{command: {get('command', '1s')}, connect: 300ms, drain: {DRAIN}s}}\n"
                f"limits: {{clients: {get('clients', 200)}, reply_buffer: {get('reply_buffer', '16mb')}, memory: 512mb}}\n"
                f"log: {{level: {get('level', 'info')}, file: '{get('file', '')}'}}\n"
                f"balance: {{interval: 100ms, threshold: 0.01, gather: {get('gather', 0)}}}\n"
                f"schedule: {{background: [{get('background', '')}], background_share: 0.3}}\n"
                f"watchdog: {2 if self.sanitized else 1}s\n")

    def write(self, text):
        (self.folder / "ringmaster.yml").write_text(text)

    def log_name(self):
        return f"proxy-{self.lives}.log"

    def start_proxy(self):
        self.lives += 1
        self.write(self.yaml())
        environment = dict(SANITIZERS, RINGMASTER_SHUFFLE_CLIENTS="1") if self.draw.random() < 0.3 else SANITIZERS
        self.proxy = self.spawn([self.program, "--config", "ringmaster.yml"], self.log_name(), **environment)
        self.note(f"the proxy starts ({self.proxy.pid}), {self.log_name()}")
        deadline = time.monotonic() + 30
        while not self.serves():
            if self.proxy.poll() is not None or time.monotonic() > deadline:
                self.find("the proxy does not serve after a start")
                return
            time.sleep(0.05)

    def serves(self):
        try:
            with Wire(self.places["main"], patience=2) as wire:
                return wire.run("PING") == b"PONG"
        except (Gone, Late):
            return False

    def stop_proxy(self):
        """SIGTERM in the middle of everything. A second one is not needed."""
        self.note("SIGTERM")
        self.proxy.send_signal(signal.SIGTERM)
        patience = DRAIN + (20 if self.sanitized else 5)
        try:
            status = self.proxy.wait(patience)
            if status != 0:
                self.find(f"SIGTERM: exit status {status}")
        except subprocess.TimeoutExpired:
            self.find(f"SIGTERM: the proxy runs {patience} s later")
            self.proxy.kill()
            self.proxy.wait()

    def close(self):
        for child in [self.proxy] + self.servers:
            if child is None:
                continue
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    child.send_signal(number)
                except ProcessLookupError:
                    pass
            child.wait()
        self.evil.stop()

    # --- what befalls

    def act(self):
        """One thing, drawn; and the ends of those under way."""
        now = time.monotonic()
        if self.stopped and now >= self.stopped[1]:
            self.servers[self.stopped[0]].send_signal(signal.SIGCONT)
            self.note(f"shard {self.stopped[0]} goes on")
            self.stopped = None
        if self.dead and now >= self.dead[1]:
            self.servers[self.dead[0]] = self.start_server(self.ports[self.dead[0]])
            self.note(f"shard {self.dead[0]} is started again, empty")
            self.dead = None
        kinds = {self.stop_shard: 3, self.kill_shard: 1, self.change_ring: 4, self.change_settings: 5, self.break_file: 3, self.rotate: 2,
                 self.kill_links: 2, self.fill_up: 1, self.turn_evil: 6}
        action = self.draw.choices(list(kinds), list(kinds.values()))[0]
        self.actions[action.__name__] = self.actions.get(action.__name__, 0) + 1
        action()

    def stop_shard(self):
        if not self.stopped and not self.dead:
            victim = self.draw.randrange(SHARDS + 2)
            self.stopped = (victim, time.monotonic() + self.draw.random() * 1.5)
            self.servers[victim].send_signal(signal.SIGSTOP)
            self.note(f"shard {victim} is stopped")

    def kill_shard(self):
        if not self.stopped and not self.dead:
            victim = self.draw.randrange(SHARDS + 2)
            self.dead = (victim, time.monotonic() + self.draw.random())
            self.servers[victim].kill()
            self.servers[victim].wait()
            self.note(f"shard {victim} is killed")

    def reload(self):
        self.write(self.yaml())
        self.proxy.send_signal(signal.SIGHUP)

    def change_ring(self):
        if self.draw.random() < 0.3:
            self.settings["evil"] = self.draw.choice([1, 2, 5])
        at = self.draw.randrange(SHARDS)
        self.weights[at] = self.draw.choice([0, 1, 1, 3]) if at > 0 else 1
        self.note(f"weights {self.weights}")
        self.reload()

    def change_settings(self):
        key, values = self.draw.choice([
            ("turned", [True, False]), ("users", [True, False]), ("alone", [True, False, False]), ("isolated", ["true", "false"]),
            ("command", ["1s", "500ms", "2s"]), ("clients", [200, 40, 300]), ("reply_buffer", ["16mb", "4mb"]),
            ("level", ["info", "debug", "warning"]), ("file", ["", f"{self.folder}/other.log"]), ("gather", [0, 8]),
            ("background", ["", "keys, scan"])])
        self.settings[key] = self.draw.choice(values)
        self.note(f"{key}: {self.settings[key]}")
        self.reload()

    def break_file(self):
        text = self.yaml()
        kind = self.draw.randrange(7)
        if kind == 0:
            at = self.draw.randrange(len(text))
            text = text[:at] + self.draw.choice(["\t", "[", "{", "'", "\0", ": :", "\n"]) + text[at:]
        elif kind == 1:
            text = text[:self.draw.randrange(len(text))]
        elif kind == 2:
            text = text.replace("workers: 2", "workers: 3000000")
        elif kind == 3:
            text = text.replace(f"127.0.0.1:{self.places['tls']}", f"127.0.0.1:{self.ports[0]}")  # taken by a shard
        elif kind == 4:
            text = text.replace("cert.pem", "nosuch.pem")
        elif kind == 5:
            text = text.replace("log: {", f"log: {{file: {self.folder}/nosuch/folder.log, x: ")
        else:
            text = "".join(self.draw.choice("abc: -[]{}\n'\"&*!|>%@`#,\t ") for _ in range(400))
        self.note(f"a wrong configuration, kind {kind}")
        self.write(text)
        self.proxy.send_signal(signal.SIGHUP)
        time.sleep(self.draw.random() * 0.2)
        self.reload()

    def rotate(self):
        self.note("SIGUSR1")
        for _ in range(self.draw.randrange(1, 4)):
            self.proxy.send_signal(signal.SIGUSR1)

    def ask_server(self, index, *words):
        try:
            with Wire(self.ports[index], patience=1) as wire:
                return wire.run(*words)
        except (Gone, Late):
            return None

    def kill_links(self):
        victim = self.draw.randrange(SHARDS + 2)
        self.note(f"shard {victim} closes its connections")
        self.ask_server(victim, "CLIENT", "KILL", "TYPE", self.draw.choice(["normal", "normal", "pubsub"]))

    def fill_up(self):
        victim = self.draw.randrange(SHARDS)
        self.note(f"shard {victim} is full for a moment")
        self.ask_server(victim, "CONFIG", "SET", "maxmemory", "1")
        time.sleep(self.draw.random() * 0.3)
        self.ask_server(victim, "CONFIG", "SET", "maxmemory", str(256 << 20))

    def turn_evil(self):
        self.evil.turn(self.draw)

    # --- looking

    def look(self):
        """Whether it lives, and whether every worker and the main thread turn their loops."""
        status = self.proxy.poll()
        if status is not None:
            self.find(f"the proxy has ended: {status}")
            return
        began = time.monotonic()
        code, _ = http_get(self.places["admin"], "/api/sagas", PAGE_PATIENCE * (3 if self.sanitized else 1))
        took = time.monotonic() - began
        if self.proxy.poll() is None and code != 200:
            self.find(f"/api/sagas, which asks every worker: status {code} after {took:.1f} s")

    def read_logs(self):
        for path in sorted(self.folder.glob("*.log")):
            if path.name.startswith("redis-"):
                continue
            text = path.read_text(errors="replace")
            found = TRACE.search(text)
            if found:
                self.find(f"{path.name}: {text[found.start():found.start() + 6000]}")

    def heal(self):
        """Ends what is under way, and puts the whole configuration back."""
        if self.stopped:
            self.servers[self.stopped[0]].send_signal(signal.SIGCONT)
        if self.dead:
            self.servers[self.dead[0]] = self.start_server(self.ports[self.dead[0]])
        self.stopped = self.dead = None
        for index in range(SHARDS):
            self.ask_server(index, "CONFIG", "SET", "maxmemory", str(256 << 20))
        self.evil.trick = "honest"
        self.settings = {}
        self.note("all is well again")
        self.reload()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.proxy.pid}/fd"))

    def metric(self, name):
        _, page = http_get(self.places["admin"], "/metrics", PAGE_PATIENCE)
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
        return sum(float(value) for value in values) if values else None

    def gives_back(self):
        """REQUIRES: nobody but us is connected, all is healed. What a pile of reloads and rotations leaves behind."""
        deadline = time.monotonic() + 30
        clients = None
        while time.monotonic() < deadline:
            clients = self.metric("ringmaster_clients")
            if clients == 0:
                break
            time.sleep(0.1)
        if clients != 0:
            self.find(f"{clients} clients are left when none is")
            return
        for name, most in (("ringmaster_buffer_bytes", 64 << 20), ("ringmaster_sagas_running", 0), ("ringmaster_clients_blocked", 0),
                           ("ringmaster_requests_in_flight", 0)):
            held = self.metric(name)
            while held is not None and held > most and time.monotonic() < deadline:
                time.sleep(0.2)
                held = self.metric(name)
            if held is not None and held > most:
                self.find(f"nobody is connected, and {name} stays at {held:.0f}")
        self.serves_every_key()
        before = self.settled_descriptors()
        for number in range(30):
            self.proxy.send_signal(signal.SIGHUP if number % 2 else signal.SIGUSR1)
            time.sleep(0.02)
        after = self.settled_descriptors()
        if after > before + 6:
            self.find(f"30 reloads and rotations left {after - before} descriptors")

    def serves_every_key(self):
        """Keys of all shards are written within the patience: no lock, move or breaker is left in the way."""
        deadline = time.monotonic() + 30
        wrong = "no answer"
        while wrong and time.monotonic() < deadline:
            try:
                with Wire(self.places["main"], patience=10) as wire:
                    wire.run("FLUSHALL")
                    replies = {wire.run("SET", f"{kind}k{i}", "v") for kind in "klhsz" for i in range(24)}
                    wrong = ", ".join(str(reply) for reply in replies - {b"OK"})
            except (Gone, Late) as error:
                wrong = str(error)
            time.sleep(0.1)
        if wrong:
            self.find(f"all is well, and still: {wrong[:500]}")

    def settled_descriptors(self):
        """The least of three seconds: connections to shards come and go."""
        least = self.descriptors()
        for _ in range(15):
            time.sleep(0.2)
            least = min(least, self.descriptors())
        return least
