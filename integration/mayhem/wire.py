"""Sockets that speak RESP, well or badly. Every wait has a deadline."""
import socket
import ssl
import struct
import time

MOST_REPLY = 64 << 20


class Gone(Exception):
    """The other side closed, reset, or sent what is no RESP."""


class Late(Exception):
    """No reply in time."""


def encode(words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out += [b"$%d\r\n" % len(word), word, b"\r\n"]
    return b"".join(out)


class Wire:
    def __init__(self, address, tls=False, patience=30):
        """`address` is a port of 127.0.0.1 or the path of a Unix socket."""
        self.patience = patience
        self.buffer = bytearray()
        self.at = 0
        try:
            if isinstance(address, int):
                self.socket = socket.create_connection(("127.0.0.1", address), 5)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            else:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(5)
                self.socket.connect(address)
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                self.socket = context.wrap_socket(self.socket)
        except OSError as error:
            raise Gone(str(error)) from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Sends all of it; not when the other side takes nothing for the patience."""
        self.socket.settimeout(self.patience)
        try:
            self.socket.sendall(data)
        except socket.timeout as error:
            raise Late("it takes no more") from error
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error

    def offer(self, data, patience):
        """Sends what is taken within the patience."""
        self.socket.settimeout(patience)
        try:
            self.socket.sendall(data)
        except (OSError, ValueError):
            pass

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("no reply")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout as error:
            raise Late("no reply") from error
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("closed")
        self.buffer += data

    def line(self, deadline):
        while True:
            end = self.buffer.find(b"\r\n", self.at)
            if end >= 0:
                text = bytes(self.buffer[self.at:end])
                self.at = end + 2
                return text
            if len(self.buffer) - self.at > MOST_REPLY:
                raise Gone("a line without an end")
            self.fill(deadline)

    def read(self, patience=None, depth=0):
        """The next reply: bytes (an error with its dash), a number, a list, or None."""
        deadline = time.monotonic() + (patience if patience is not None else self.patience)
        if depth == 0 and self.at > (1 << 20):
            del self.buffer[:self.at]
            self.at = 0
        text = self.line(deadline)
        kind, rest = text[:1], text[1:]
        if kind in (b"+", b",", b"#", b"("):
            return rest
        if kind == b"-":
            return text
        if kind == b"_":
            return None
        try:
            count = int(rest)
        except ValueError as error:
            raise Gone("no RESP") from error
        if kind == b":":
            return count
        if count < 0:
            return None
        if count > MOST_REPLY or depth > 200:
            raise Gone("no sound RESP")
        if kind in (b"$", b"=", b"!"):
            while len(self.buffer) - self.at < count + 2:
                self.fill(deadline)
            data = bytes(self.buffer[self.at:self.at + count])
            self.at += count + 2
            return b"-" + data if kind == b"!" else data
        if kind in (b"*", b"~", b">"):
            return [self.read(patience, depth + 1) for _ in range(count)]
        if kind == b"%":
            return [self.read(patience, depth + 1) for _ in range(2 * count)]
        raise Gone("no RESP")

    def run(self, *words, patience=None):
        self.send(encode(words))
        return self.read(patience)

    def drop(self, seconds):
        """Reads and drops for so long, or until the other side closes."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.fill(deadline)
                self.buffer.clear()
                self.at = 0
        except (Gone, Late):
            pass

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass


def http_get(port, path, patience):
    """Status and body; status 0 when there was no answer in time."""
    try:
        with Wire(port, patience=patience) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            deadline = time.monotonic() + patience
            try:
                while True:
                    wire.fill(deadline)
            except Gone:
                pass
            head, _, body = bytes(wire.buffer).partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode(errors="replace")
    except (Gone, Late, IndexError, ValueError):
        return 0, ""
