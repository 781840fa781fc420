"""Servers on free loopback ports in a temporary folder, all ended with the run, however it ends."""

import contextlib
import ctypes
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
READY_WITHIN = 10.0  # seconds
STOPPED_WITHIN = 5.0
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something the reader of the message can put right."""


def free_port():
    """Below the ports that the system gives to outgoing connections, so that no client takes it."""
    for _ in range(1000):
        port = random.randint(20000, 29999)
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise BenchError("no free port between 20000 and 29999")


def raise_file_limit():
    """Returns how many files a process of ours may have open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Fleet:
    """Owns the temporary folder and every process started through it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-bench-"))
        self._processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOPPED_WITHIN
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, arguments):
        """Starts a server; what it says goes to a file that failure messages quote."""
        output = self.folder / f"{name}.out"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end them in order
                preexec_fn=_die_with_parent,
            )
        self._processes.append(process)
        return process

    def wait_ready(self, name, process, port):
        """Until a GET is answered by something that is not an error."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1) as client:
                client.settimeout(1)
                client.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nready\r\n")
                if client.recv(64).startswith(b"$"):
                    return
            time.sleep(0.05)
        said = "".join(
            path.read_text(errors="replace")[-2000:] for path in self.folder.glob(f"{name}.*")
        )
        raise BenchError(f"{name} does not answer on port {port}:\n{said}")
