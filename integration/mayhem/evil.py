"""A shard that answers nonsense: a real server behind a link that lets the handshake through and then, now and then, changes
replies: bad RESP, huge lengths, deep nesting, replies nobody asked for, half ones, slow bytes, an end in the middle."""
import random
import socket
import threading
import time

TRICKS = ["honest", "garbage", "flipped", "huge", "negative", "nested", "extra", "half", "slow", "close", "errors", "push",
          "wide", "mute"]


def nonsense(trick, draw, reply):
    """What goes out in the place of `reply`, and whether the connection ends behind it."""
    if trick == "garbage":
        return draw.randbytes(draw.randrange(1, 2000)), False
    if trick == "flipped":
        changed = bytearray(reply)
        for _ in range(draw.randrange(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed), False
    if trick == "huge":
        kind = draw.choice("$*%~>!=")
        return f"{kind}{draw.choice([2**31, 2**32 + 5, 2**62, 2**63 - 1, 10**30, 600 * 2**20])}\r\n".encode() + reply, False
    if trick == "negative":
        return f"{draw.choice('$*%~>:')}{draw.choice([-1, -2, -2**31, -2**63])}\r\n".encode(), False
    if trick == "nested":
        return draw.choice([b"*1\r\n", b"%1\r\n+a\r\n", b"|1\r\n+a\r\n", b">1\r\n"]) * draw.choice([5, 31, 33, 200, 100000]) + b":1\r\n", False
    if trick == "extra":
        return reply + draw.choice([b"+OK\r\n", b"$5\r\nhello\r\n", b"*0\r\n", reply]), False
    if trick == "half":
        return reply[:draw.randrange(len(reply))], True
    if trick == "close":
        return b"", True
    if trick == "errors":
        return draw.choice([b"-READONLY no\r\n", b"-LOADING wait\r\n", b"-OOM full\r\n", b"-\r\n", b"-NOAUTH x\r\n",
                            b"-MOVED 1 127.0.0.1:1\r\n", b"-" + b"e" * 100000 + b"\r\n", b"-EXECABORT no\r\n"]), False
    if trick == "push":
        return draw.choice([b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", b">2\r\n$10\r\ninvalidate\r\n_\r\n",
                            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", b">0\r\n", b">1\r\n:1\r\n"]) + reply, False
    if trick == "wide":
        return b"*20000\r\n" + b":1\r\n" * 20000, False
    return reply, False


class EvilShard:
    def __init__(self, server_port, seed, note):
        self.server_port, self.note = server_port, note
        self.trick = "honest"
        self.seed = seed
        self.stopping = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while not self.stopping:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.serve, args=(client, random.Random(self.seed * 7919 + number)), daemon=True).start()

    def serve(self, client, draw):
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port), 2)
        except OSError:
            client.close()
            return
        ends = [client, server]
        threading.Thread(target=self.pump, args=(client, server, ends), daemon=True).start()
        replies = 0
        try:
            while True:
                data = server.recv(65536)
                if not data:
                    break
                replies += 1
                trick = self.trick
                if trick == "mute" and draw.random() < 0.3:
                    continue
                # The first replies are the handshake's; often it gets through.
                if trick == "honest" or (replies < 8 and draw.random() < 0.9) or draw.random() < 0.6:
                    client.sendall(data)
                    continue
                if trick == "slow":
                    for at in range(0, min(len(data), 200)):
                        client.sendall(data[at:at + 1])
                        time.sleep(0.002)
                    client.sendall(data[200:])
                    continue
                data, ended = nonsense(trick, draw, data)
                client.sendall(data)
                if ended:
                    break
        except OSError:
            pass
        finally:
            for end in ends:
                end.close()

    @staticmethod
    def pump(source, sink, ends):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def turn(self, draw):
        self.trick = draw.choice(TRICKS)
        self.note(f"the evil shard: {self.trick}")

    def stop(self):
        self.stopping = True
        self.listener.close()
