"""pylibmc (libmemcached) with its binary protocol over its whole command set."""

import os
import time

import pylibmc

from checks import arguments, check, check_raises, check_that


def commands(name, client):
    def called(command):
        return f"{name}: {command}"

    check(called("flush_all"), client.flush_all(), True)
    check(called("get of a missing key"), client.get("missing"), None)
    check(called("get with a default"), client.get("missing", "default"), "default")
    for value in ["text", b"\x00\xff\r\n", 17, -17, 2**40, 2.5, None, [1, "two"], {"a": (1, 2)}, "", b""]:
        check(called(f"set {value!r}"), client.set("key", value), True)
        check(called(f"get {value!r}"), client.get("key"), value)
    check(called("set key of 250 bytes"), client.set("k" * 250, "long"), True)
    check(called("get key of 250 bytes"), client.get("k" * 250), "long")
    check_raises(called("set key of 251 bytes"), Exception, lambda: client.set("k" * 251, "long"))
    large = "0123456789abcdef" * 60000
    check(called("set of 960 kB"), client.set("large", large), True)
    check(called("get of 960 kB"), client.get("large"), large)
    check_raises(called("set of 2 MB is refused"), pylibmc.Error, lambda: client.set("large", os.urandom(2 << 20)))
    check(called("connection lives on after the refusal"), client.get("key"), b"")
    check(called("set compressed"), client.set("zipped", "y" * 100000, min_compress_len=1000, compress_level=6), True)
    check(called("get compressed"), client.get("zipped"), "y" * 100000)

    check(called("set text"), client.set("text", "value"), True)
    check(called("add of a present key"), client.add("text", "x"), False)
    check(called("add of a new key"), client.add("added", "new"), True)
    check(called("replace of a present key"), client.replace("added", "newer"), True)
    check_raises(called("replace of a missing key"), pylibmc.NotFound, lambda: client.replace("absent", "x"))
    check(called("get of what was replaced"), client.get("added"), "newer")
    check(called("append"), client.append("text", ">"), True)
    check(called("prepend"), client.prepend("text", "<"), True)
    check(called("get of what was joined"), client.get("text"), "<value>")
    check(called("append to a missing key"), client.append("absent", "x"), False)
    check(called("prepend to a missing key"), client.prepend("absent", "x"), False)

    check(called("set_multi"), client.set_multi({"m1": "1", "m2": "2"}), [])
    check(called("set_multi with a prefix"), client.set_multi({"1": 1, "2": 2}, key_prefix="p"), [])
    check(called("add_multi"), client.add_multi({"m2": "x", "m3": "3"}), ["m2"])
    check(called("get_multi"), client.get_multi(["m1", "m2", "m3", "no"]), {"m1": "1", "m2": "2", "m3": "3"})
    check(called("get_multi with a prefix"), client.get_multi(["1", "2", "3"], key_prefix="p"), {"1": 1, "2": 2})
    check(called("get_multi of nothing there"), client.get_multi(["no", "nope"]), {})
    many = {f"many{n}": n for n in range(2000)}
    check(called("set_multi of 2000"), client.set_multi(many), [])
    check(called("get_multi of 2000"), client.get_multi(list(many)), many)
    check(called("delete_multi"), client.delete_multi(["m1", "m2"]), True)
    check(called("delete_multi with a missing key"), client.delete_multi(["m1", "m3"]), False)
    check(called("delete_multi with a prefix"), client.delete_multi(["1", "2"], key_prefix="p"), True)
    check(called("get_multi of what was deleted"), client.get_multi(["m1", "m2", "m3", "p1"]), {})

    check(called("set of a counter"), client.set("counter", 10), True)
    check(called("incr"), client.incr("counter"), 11)
    check(called("incr by 100"), client.incr("counter", 100), 111)
    check(called("decr"), client.decr("counter"), 110)
    check(called("decr by 10"), client.decr("counter", 10), 100)
    check(called("get of a counter"), client.get("counter"), 100)
    check(called("set of two counters"), client.set_multi({"i1": 1, "i2": 2}), [])
    check(called("incr_multi"), client.incr_multi(["i1", "i2"], delta=5), None)
    check(called("get_multi of counters"), client.get_multi(["i1", "i2"]), {"i1": 6, "i2": 7})
    check_raises(called("incr of a missing key"), pylibmc.NotFound, lambda: client.incr("absent"))
    check_raises(called("decr of a missing key"), pylibmc.NotFound, lambda: client.decr("absent"))

    check(called("delete"), client.delete("added"), True)
    check(called("delete of a missing key"), client.delete("added"), False)
    check(called("get of what was deleted"), client.get("added"), None)

    check(called("set with a time to live"), client.set("short", "v", time=1), True)
    check(called("set without one"), client.set("touched", "v", time=1), True)
    check(called("touch"), client.touch("touched", 100), True)
    check(called("touch of a missing key"), client.touch("absent", 100), False)
    time.sleep(2.1)
    check(called("get of what has expired"), client.get("short"), None)
    check(called("get of what was touched"), client.get("touched"), "v")
    check(called("touch into the past"), client.touch("touched", 2592001), True)
    check(called("get of what was touched into the past"), client.get("touched"), None)

    stats = client.get_stats()
    check_that(called("get_stats"), len(stats) == 1 and int(stats[0][1]["cmd_get"]) > 0, stats)
    stats = client.get_stats("settings")
    # libmemcached knows general statistics only and gives zeros for the rest; what counts is that it doesn't hang.
    check_that(called("get_stats settings"), len(stats) == 1, stats)
    check_that(called("clone"), client.clone().get("counter") == 100)
    check(called("in"), "counter" in client, True)
    check(called("not in"), "absent" in client, False)
    client["item"] = "set by item"
    check(called("item"), client["item"], "set by item")
    del client["item"]
    check(called("item deleted"), "item" in client, False)
    check_that(called("hash"), isinstance(client.hash("key"), int))
    check(called("flush_all with a delay"), client.flush_all(time=2), True)
    time.sleep(3)
    check(called("get after the delayed flush"), client.get("counter"), None)
    check(called("set after the flush"), client.set("counter", 1), True)
    client.disconnect_all()
    check(called("reconnects by itself"), client.get("counter"), 1)


def cas(client):
    client.behaviors["cas"] = 1
    check("cas: set", client.set("key", "one"), True)
    value, token = client.gets("key")
    check("cas: gets", value, "one")
    check_that("cas: token", token > 0, token)
    check("cas: cas that matches", client.cas("key", "two", token), True)
    check("cas: cas that is stale", client.cas("key", "three", token), False)
    check("cas: get", client.get("key"), "two")
    check("cas: gets of a missing key", client.gets("absent"), (None, None))
    check_raises("cas: cas of a missing key", pylibmc.NotFound, lambda: client.cas("absent", "x", token))


def counter_on_text(client):
    # libmemcached takes status 0x06 for a broken server and pauses it, so this has a client of its own.
    check("incr of text: set", client.set("text", "value"), True)
    check_raises("incr of text", pylibmc.Error, lambda: client.incr("text"))


def main():
    given = arguments()
    login = {}
    if given.user is not None:
        login = {"username": given.user, "password": given.password}

    def make(**behaviors):
        return pylibmc.Client([given.server], binary=True, behaviors=behaviors, **login)

    if given.user is not None:
        wrong = pylibmc.Client([given.server], binary=True, username=given.user, password=given.password + "x")
        check_raises("login with a wrong password", pylibmc.Error, lambda: wrong.set("key", "value"))
        stranger = pylibmc.Client([given.server], binary=True)
        check_raises("set without a login", pylibmc.Error, lambda: stranger.set("key", "value"))

    commands("plain", make())
    commands("tcp_nodelay, no_block", make(tcp_nodelay=True, no_block=True))
    cas(make())
    counter_on_text(make())
    # Quiet commands: libmemcached sends SETQ, ADDQ, DELETEQ and so on, and reads nothing back.
    quiet = make(_noreply=True)
    loud = make()
    for number in range(500):
        quiet.set(f"q{number}", number)
    quiet.delete("q0")
    quiet.get("q1")
    time.sleep(0.2)
    expected = {f"q{number}": number for number in range(1, 500)}
    check("noreply: what quiet sets stored", loud.get_multi([f"q{number}" for number in range(500)]), expected)
    buffered = make(buffer_requests=True)
    for number in range(500):
        try:
            buffered.set(f"b{number}", number)
        except pylibmc.Error:
            # "Action queued" is an error to pylibmc; the request is in the buffer all the same.
            pass
    check("buffer_requests: get flushes the buffer", buffered.get("b499"), 499)
    expected = {f"b{number}": number for number in range(500)}
    check("buffer_requests: all were stored", loud.get_multi(list(expected)), expected)
    print("all passed")


main()
