"""Clients of every kind. An episode is one connection of one kind, from its beginning to its end, which is seldom polite.

Nobody here looks at what a reply says. Who waits politely for a reply, and gets none in time, raises Late: a finding."""
import time

from wire import Gone, Late, Wire, encode, http_get

KEYS = [f"k{i}" for i in range(24)] + [f"{{t}}{i}" for i in range(4)]
SCRIPTS = [
    "return redis.call('GET', KEYS[1])",
    "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[2])",
    "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return {1, {2, {'x', false}}}",
    "local n = 0 while n < 2000000 do n = n + 1 end return n",
    "return redis.error_reply('ERR of mine')",
    "return string.rep('x', 3000000)",
    "return redis.call('SORT', KEYS[1], 'ALPHA')",
    "error('x')",
    "not lua",
]
LIBRARY = "#!lua name=mayhem\nredis.register_function('f', function(k, a) return redis.call('GET', k[1]) end)"
RULES = """
SET k v|SET k v EX 100|GET k|GETDEL k|APPEND k v|SETRANGE k 100 v|GETRANGE k 0 -1|STRLEN k|INCR k|MGET k k k|MSET k v k v k v
MSETNX k v k v|DEL k k|UNLINK k k k|EXISTS k k|TYPE k|TTL k|EXPIRE k 1|PEXPIRE k 5|PERSIST k|RENAME k k|RENAMENX k k|COPY k k REPLACE
HSET h v v v v|HGETALL h|HGET h v|HDEL h v|HSCAN h 0|RPUSH l v v|LPUSH l v|LPOP l 2|LRANGE l 0 -1|LMOVE l l LEFT RIGHT
LMPOP 2 l l LEFT|SADD s v v v|SMEMBERS s|SPOP s|SMOVE s s v|SUNIONSTORE s s s|SINTER s s|SDIFF s s s|ZADD z 1 v 2 v|ZPOPMIN z
ZRANGE z 0 -1 WITHSCORES|ZUNIONSTORE z 2 z z|ZRANGESTORE z z 0 5|XADD x * f v|XRANGE x - +|XTRIM x MAXLEN 5|XREAD STREAMS x x 0 0
SORT l ALPHA BY w*->f GET # GET k*|SORT l ALPHA STORE l|BITOP OR k k k|SETBIT k 70000 1|PFADD p v v|PFCOUNT p p|PFMERGE p p p
DBSIZE|RANDOMKEY|PING|ECHO v|OBJECT ENCODING k|DUMP k|TOUCH k k|WAIT 0 1|SELECT 1|SELECT 0|MOVE k 1|GEOADD g 1 2 v
GEOSEARCHSTORE g g FROMLONLAT 1 2 BYRADIUS 9 km|LCS k k|SMISMEMBER s v v|HRANDFIELD h 3|ZRANDMEMBER z 2|NOSUCH k v|VADD|VSIM|LPUSH l
""".strip().replace("\n", "|").split("|")
ORDERS = """
INFO|INFO all|CLIENT LIST|CLIENT INFO|CLIENT KILL TYPE normal|CLIENT KILL TYPE pubsub|CLIENT KILL TYPE normal SKIPME no
CLIENT PAUSE 50|CLIENT PAUSE 30 WRITE|CLIENT UNPAUSE|CLIENT NO-EVICT on|CLIENT UNBLOCK 5|CLIENT SETNAME v|CLIENT REPLY ON
CLIENT CACHING YES|CLIENT TRACKINGINFO|CLIENT GETREDIR|FLUSHALL|FLUSHDB|FLUSHALL ASYNC|SWAPDB 0 1|DBSIZE|CONFIG GET *
CONFIG SET slowlog-log-slower-than 0|CONFIG SET maxmemory-policy noeviction|CONFIG SET timeout 0|CONFIG SET notify-keyspace-events KEA
CONFIG SET hz 20|CONFIG SET list-max-listpack-size 4|CONFIG SET nosuch 1|CONFIG RESETSTAT|CONFIG REWRITE|SLOWLOG GET 10|SLOWLOG RESET
LATENCY LATEST|LATENCY HISTOGRAM|MEMORY STATS|MEMORY DOCTOR|MEMORY USAGE k|COMMAND|COMMAND COUNT|COMMAND DOCS GET|COMMAND GETKEYS MSET a b
ACL LIST|ACL WHOAMI|ACL SETUSER bob on >p ~k* +@all|ACL DELUSER bob|ACL LOG|ACL LOG RESET|ACL CAT|ACL GETUSER default|AUTH bob p|AUTH nobody x
HELLO 2|HELLO 3|RESET|SCRIPT FLUSH|SCRIPT KILL|FUNCTION FLUSH|FUNCTION LIST|FUNCTION STATS|FUNCTION DUMP|PUBSUB CHANNELS|PUBSUB NUMPAT
PROXY INFO|PROXY RING|PROXY LOCATE k k|PROXY EXPLAIN MSET a 1 b 2|PROXY REBALANCE|PROXY REBALANCE PAUSE|PROXY REBALANCE RESUME
PROXY REBALANCE REVERSE|PROXY REBALANCE PLAN nosuch.yml|PROXY REBALANCE PLAN /dev/zero|PROXY RELOAD|PROXY SAGAS|PROXY SAGAS RECENT
PROXY SAGAS SHOW 1|PROXY SAGAS EXPORT|PROXY SAGAS RETRY 1|PROXY SAGAS JOURNAL STATUS|PROXY SHARDS|PROXY SLOWLOG|PROXY WORKERS|PROXY JOBS
PROXY JOBS PAUSE 1|PROXY JOBS CANCEL 1|PROXY VERIFY|PROXY VERIFY DIGEST|PROXY LOGLEVEL debug|PROXY LOGLEVEL info|PROXY HELP|PROXY NOSUCH
LOLWUT|TIME|LASTSAVE|ROLE|CLUSTER INFO|CLUSTER SLOTS|READONLY|DEBUG JMAP|DEBUG SLEEP 0.05|OBJECT HELP|SAVE|BGSAVE|SHUTDOWN ABORT
""".strip().replace("\n", "|").split("|")
PAGES = ["/", "/metrics", "/healthz", "/readyz", "/api", "/api/status", "/api/workers", "/api/commands", "/api/shards", "/api/sagas",
         "/api/rebalance", "/api/jobs", "/nosuch"]


class Context:
    """What an episode may know: where things listen, a seeded generator of its own, and whether the world is over."""

    def __init__(self, places, draw, over, patience):
        self.places, self.draw, self.over, self.patience = places, draw, over, patience
        # Where the evil shard is, there is no promise of a reply.
        self.second = draw.random() < 0.2
        self.counts = {}

    def address(self):
        if self.second:
            return self.places["second"]
        return self.draw.choice([self.places["main"], self.places["main"], self.places["unix"]])

    def connect(self):
        return Wire(self.address(), patience=self.patience)

    def size(self, most):
        return int(most ** self.draw.random()) - 1

    def value(self, most=3000):
        size = self.size(most)
        return self.draw.randbytes(size) if size < 2000 else self.draw.randbytes(1000) + b"v" * (size - 1000)

    def key(self, kind="k"):
        if self.draw.random() < 0.1:
            return self.draw.choice(KEYS)
        return kind + self.draw.choice(KEYS)

    def command(self, rules=RULES, most=3000):
        words = []
        for word in self.draw.choice(rules).split():
            if word == "v":
                words.append(self.value(most))
            elif len(word) == 1 and word in "khlszxpgw":
                words.append(self.key(word))
            else:
                words.append(word)
        return words

    def commands(self, count, most=3000):
        return [self.command(most=most) for _ in range(count)]

    def leave(self, wire):
        how = self.draw.randrange(5)
        if how == 0:
            wire.reset()
        elif how == 1:
            wire.half_close()
            wire.drop(self.draw.random())
        elif how == 2:
            wire.offer(encode(self.command(most=100000))[:self.draw.randrange(1, 300)], 0.2)
        elif how == 3:
            wire.offer(encode(["QUIT"]), 0.2)
            wire.drop(0.2)
        wire.close()


def plain(context):
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 150)):
            wire.run(*context.command())
        context.leave(wire)


def pipelining(context):
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 6)):
            commands = context.commands(context.draw.randrange(1, 300))
            data = b"".join(encode(words) for words in commands)
            if context.draw.random() < 0.3:
                cut = context.draw.randrange(len(data))
                wire.send(data[:cut])
                time.sleep(context.draw.random() * 0.02)
                data = data[cut:]
            wire.send(data)
            if context.draw.random() < 0.3:
                break
            for _ in commands:
                wire.read()
        context.leave(wire)


def large(context):
    with context.connect() as wire:
        keys = [f"large:{context.draw.randrange(8)}" for _ in range(3)]
        for key in keys:
            wire.run("SET", key, context.value(4 << 20))
        reads = [["GET", context.draw.choice(keys)] for _ in range(context.draw.randrange(1, 20))]
        wire.send(b"".join(encode(words) for words in reads))
        if context.draw.random() < 0.5:
            for _ in reads:
                wire.read()
        else:
            wire.drop(context.draw.random() * 0.3)
            time.sleep(context.draw.random() * 0.5)
        context.leave(wire)


def transactions(context):
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 8)):
            if context.draw.random() < 0.4:
                wire.run("WATCH", context.key(), context.key())
            wire.run("MULTI")
            most = 1 << 20 if context.draw.random() < 0.2 else 3000
            for _ in range(context.draw.randrange(0, 10)):
                wire.run(*context.command(most=most))
            if context.draw.random() < 0.2:
                return context.leave(wire)
            words = ["EXEC"] if context.draw.random() < 0.85 else ["DISCARD"]
            if context.draw.random() < 0.2:
                wire.send(encode(words))
                return context.leave(wire)
            wire.run(*words)
        return context.leave(wire)


def blocking(context):
    seconds = context.draw.choice([0.001, 0.002, 0.01, 0.1, 0.3, 1])
    waits = [["BLPOP", context.key("l"), context.key("l"), seconds], ["BRPOP", context.key("l"), seconds],
             ["BLMOVE", context.key("l"), context.key("l"), "LEFT", "RIGHT", seconds],
             ["BLMPOP", seconds, 2, context.key("l"), context.key("l"), "LEFT"],
             ["BZPOPMIN", context.key("z"), context.key("z"), seconds],
             ["BZMPOP", seconds, 2, context.key("z"), context.key("z"), "MIN"],
             ["XREAD", "BLOCK", int(seconds * 1000), "STREAMS", context.key("x"), context.key("x"), "$", "$"]]
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 12)):
            wire.send(encode(context.draw.choice(waits)))
            if context.draw.random() < 0.2:
                time.sleep(context.draw.random() * seconds)
                break
            wire.read()
        context.leave(wire)


def producers(context):
    """What the blocked wait for, over two shards in one step."""
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 60)):
            wire.run("MULTI")
            wire.run("RPUSH", context.key("l"), context.value())
            wire.run("RPUSH", context.key("l"), context.value())
            wire.run("ZADD", context.key("z"), 1, context.value())
            wire.run("EXEC")
        context.leave(wire)


def subscribers(context):
    channels = [f"c{i}" for i in range(5)]
    with context.connect() as wire:
        if context.draw.random() < 0.5:
            wire.run("HELLO", 3)
        for _ in range(context.draw.randrange(1, 8)):
            verb = context.draw.choice(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "PING"])
            wire.send(encode([verb] + ([] if verb == "PING" else [context.draw.choice(channels + ["c*", "__key*__:*"])])))
            with context.connect() as other:
                other.run("PUBLISH", context.draw.choice(channels), context.value(100000))
                if context.draw.random() < 0.5:
                    other.run("SPUBLISH", context.draw.choice(channels), "x")
            if context.draw.random() < 0.8:
                wire.drop(0.03)
        context.leave(wire)


def monitors(context):
    with context.connect() as wire:
        wire.run("MONITOR")
        if context.draw.random() < 0.7:
            wire.drop(context.draw.random())
        else:
            time.sleep(context.draw.random())
        context.leave(wire)


def tracking(context):
    with context.connect() as wire:
        wire.send(encode(["HELLO", 3]))
        modes = [["BCAST"], ["OPTIN"], ["OPTOUT"], ["NOLOOP"], ["BCAST", "PREFIX", "k"], []]
        wire.send(encode(["CLIENT", "TRACKING", "ON"] + context.draw.choice(modes)))
        for _ in range(context.draw.randrange(1, 40)):
            wire.offer(encode(context.command()), 1)
            if context.draw.random() < 0.1:
                wire.drop(0.02)
            if context.draw.random() < 0.05:
                wire.offer(encode(["CLIENT", "TRACKING", "OFF"]), 1)
        wire.drop(0.1)
        context.leave(wire)


def scripts(context):
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 15)):
            script = context.draw.choice(SCRIPTS)
            keys = [context.key(context.draw.choice("kl")) for _ in range(context.draw.choice([1, 2, 2, 3]))]
            choice = context.draw.randrange(6)
            if choice == 0:
                sha = wire.run("SCRIPT", "LOAD", script)
                if isinstance(sha, bytes) and not sha.startswith(b"-"):
                    wire.run("EVALSHA", sha, len(keys), *keys, context.value())
            elif choice == 1:
                wire.run("FUNCTION", "LOAD", "REPLACE", LIBRARY)
                wire.run("FCALL", "f", len(keys), *keys)
            else:
                wire.send(encode(["EVAL", script, len(keys), *keys, context.value()]))
                if context.draw.random() < 0.1:
                    break
                wire.read()
        context.leave(wire)


def scans(context):
    with context.connect() as wire:
        cursor = context.draw.choice([0, 0, 0, 1, 2**63, 2**64 - 1, "x"])
        for _ in range(context.draw.randrange(1, 30)):
            reply = wire.run("SCAN", cursor, "COUNT", context.draw.choice([1, 10, 1000]))
            if not isinstance(reply, list) or len(reply) != 2:
                break
            cursor = reply[0]
        wire.send(encode(context.draw.choice([["KEYS", "*"], ["DBSIZE"], ["RANDOMKEY"], ["KEYS", "k*"]])))
        if context.draw.random() < 0.6:
            wire.read()
        context.leave(wire)


def uploads(context):
    size = 1 + context.size(12 << 20)
    key = f"upload:{context.draw.randrange(6)}"
    verb = context.draw.choice([["SET", key], ["APPEND", key], ["RPUSH", "l" + key], ["HSET", "h" + key, "f"], ["SADD", "s" + key],
                                ["MSET", "m" + key], ["ECHO"], ["PUBLISH", "c1"], ["EVAL", "return 1", 0]])
    head = encode(verb + [b""])
    head = head[:head.rfind(b"$")] + b"$%d\r\n" % size
    with context.connect() as wire:
        if context.draw.random() < 0.2:
            wire.run("MULTI")
        wire.send(head)
        left = size if context.draw.random() < 0.6 else context.draw.randrange(size)
        whole = left == size
        while left > 0:
            piece = min(left, 1 + context.size(1 << 20))
            wire.send(b"u" * piece)
            left -= piece
            if context.draw.random() < 0.1:
                time.sleep(0.01)
        if whole and context.draw.random() < 0.9:
            wire.send(b"\r\n")
            wire.read()
        context.leave(wire)


def idle(context):
    with context.connect() as wire:
        if context.draw.random() < 0.5:
            wire.offer(encode(context.command())[:context.draw.randrange(1, 40)], 0.1)
        for _ in range(context.draw.randrange(1, 20)):
            if context.over():
                break
            time.sleep(0.1)
        context.leave(wire)


def garbage(context):
    junk = [context.draw.randbytes(context.draw.randrange(1, 5000)), b"*1\r\n" * 5000, b"*1048577\r\n", b"*-1\r\n*0\r\n\r\n\r\n",
            b"*3\r\n$3\r\nSET\r\n$-1\r\n", b"*2\r\n$3\r\nGET\r\n$999999999999\r\n", b"*2\r\n$3\r\nGET\r\n:1\r\n", b"GET " + b"k" * 70000,
            b"GET k\r\n" * 2000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + context.draw.randbytes(300), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\n\r\n", b"\0" * 10000, b'set "k1 v\r\n', b"*1\r\n$4\r\nPIN", b"*100000\r\n" + b"$1\r\na\r\n" * 3000,
            encode(["GET"] + ["k"] * 5000), encode(["CLIENT", "SETNAME", "n" * 100000]), encode(["AUTH", "u" * 1000000, "p"]),
            encode(["COMMAND", "GETKEYS", "EVAL", "x", "1000000000", "k"]), encode(["EVAL", "x", -1]), encode(["XREAD", "STREAMS"])]
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 4)):
            wire.offer(context.draw.choice(junk), 0.5)
        wire.drop(context.draw.random() * 0.3)
        context.leave(wire)


def behind_tls(context):
    if context.draw.random() < 0.3:
        with Wire(context.places["tls"], patience=context.patience) as wire:
            hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + context.draw.randbytes(200)
            wire.offer(hello[:context.draw.randrange(1, len(hello))], 0.2)
            wire.drop(context.draw.random() * 0.2)
            return context.leave(wire)
    with Wire(context.places["tls"], tls=True, patience=context.patience) as wire:
        for _ in range(context.draw.randrange(1, 20)):
            wire.run(*context.command(most=300000 if context.draw.random() < 0.2 else 3000))
        return wire.reset() if context.draw.random() < 0.5 else wire.close()


def orders(context):
    with context.connect() as wire:
        for _ in range(context.draw.randrange(1, 15)):
            words = context.command(ORDERS)
            if words[:2] == ["CLIENT", "KILL"] and context.draw.random() < 0.7:
                continue
            if words[0].startswith(("FLUSH", "SWAPDB", "DEBUG")) and context.draw.random() < 0.7:
                continue
            if words[0] == "CLIENT" and words[1] == "REPLY":
                wire.send(encode(["CLIENT", "REPLY", context.draw.choice(["OFF", "SKIP"])]) + encode(["PING"]) * 50)
                break
            wire.run(*words)
        context.leave(wire)


def pages(context):
    if context.draw.random() < 0.7:
        http_get(context.places["admin"], context.draw.choice(PAGES), context.patience)
        return
    with Wire(context.places["admin"], patience=context.patience) as wire:
        junk = [b"GET /metrics HTTP/1.1\r\n", b"GET " + b"/" * 9000, context.draw.randbytes(500), b"POST /api HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
                b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,2-3\r\n\r\n"]
        wire.offer(context.draw.choice(junk), 0.2)
        wire.drop(context.draw.random() * 0.5)
        context.leave(wire)


KINDS = {plain: 10, pipelining: 10, large: 6, transactions: 10, blocking: 10, producers: 4, subscribers: 5, monitors: 2, tracking: 4,
         scripts: 6, scans: 3, uploads: 6, idle: 3, garbage: 4, behind_tls: 6, orders: 8, pages: 3}


def episode(context, kind):
    """Runs one; what is wrong, or nothing."""
    try:
        kind(context)
    except Gone:
        pass
    except Late as error:
        # Nonsense from a shard may leave a reply open as long as bytes trickle.
        if not context.second:
            return f"{kind.__name__}: {error} within {context.patience} s"
    return None
