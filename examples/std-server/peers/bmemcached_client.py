"""python-binary-memcached over its whole command set."""

import logging
import os
import time
import zlib

import bmemcached
from bmemcached.exceptions import AuthenticationNotSupported, InvalidCredentials, MemcachedException

from checks import arguments, check, check_raises, check_that


def commands(kind, make, given):
    """Every method of one client class, within what the server can hold."""
    client = make()

    def name(command):
        return f"{kind}.{command}"

    check(name("flush_all"), client.flush_all(), True)
    check(name("get of a missing key"), client.get("missing"), None)
    check(name("get with a default"), client.get("missing", "default"), "default")
    check(name("set text"), client.set("text", "value"), True)
    check(name("get text"), client.get("text"), "value")
    check(name("set bytes"), client.set("bytes", b"\x00\x80\xff\r\n"), True)
    check(name("get bytes"), client.get("bytes"), b"\x00\x80\xff\r\n")
    check(name("set integer"), client.set("integer", 1234567890), True)
    check(name("get integer"), client.get("integer"), 1234567890)
    check(name("set negative integer"), client.set("integer", -5), True)
    check(name("get negative integer"), client.get("integer"), -5)
    check(name("set boolean"), client.set("boolean", True), True)
    check(name("get boolean"), client.get("boolean"), True)
    check(name("set pickled"), client.set("pickled", {"a": [1, 2.5, None]}), True)
    check(name("get pickled"), client.get("pickled"), {"a": [1, 2.5, None]})
    check(name("set empty"), client.set("empty", ""), True)
    check(name("get empty"), client.get("empty"), "")
    check(name("set of a key beyond ASCII"), client.set("clé ключ", "é"), True)
    check(name("get of a key beyond ASCII"), client.get("clé ключ"), "é")
    check(name("set key of 250 bytes"), client.set("k" * 250, "long"), True)
    check(name("get key of 250 bytes"), client.get("k" * 250), "long")

    large = "0123456789abcdef" * (given.large // 16)
    check(name("set of a large value"), client.set("large", large), True)
    check(name("get of a large value"), client.get("large"), large)
    check_raises(name("set of 2 MB is refused"), MemcachedException, lambda: client.set("large", os.urandom(2 << 20)))
    check(name("connection lives on after the refusal"), client.get("text"), "value")
    check(name("a refused set takes the old value along"), client.get("large"), None)
    check(name("set compressed"), client.set("compressed", "y" * 100000, compress_level=9), True)
    check(name("get compressed"), client.get("compressed"), "y" * 100000)

    check(name("add of a present key"), client.add("text", "other"), False)
    check(name("add of a new key"), client.add("added", "new"), True)
    check(name("get of what was added"), client.get("added"), "new")
    check(name("replace of a missing key"), client.replace("absent", "x"), False)
    check(name("replace of a present key"), client.replace("added", "newer"), True)
    check(name("get of what was replaced"), client.get("added"), "newer")

    value, cas = client.gets("text")
    check(name("gets value"), value, "value")
    check_that(name("gets cas"), isinstance(cas, int) and cas > 0, cas)
    check(name("gets of a missing key"), client.gets("missing"), (None, None))
    check(name("get with get_cas"), client.get("text", get_cas=True), ("value", cas))
    check(name("cas that matches"), client.cas("text", "second", cas), True)
    check(name("cas that is stale"), client.cas("text", "third", cas), False)
    check(name("get after cas"), client.get("text"), "second")
    check_raises(name("cas 0 is refused by the client"), ValueError, lambda: client.cas("text", "third", 0))
    check(name("cas of a missing key"), client.cas("cas missing", "x", 12345), False)
    stored = client.set("with cas", "a", get_cas=True)
    check_that(name("set with get_cas"), isinstance(stored, tuple) or isinstance(stored, int), stored)
    check_that(name("add with get_cas"), client.add("add cas", "a", get_cas=True), "")
    check_that(name("replace with get_cas"), client.replace("add cas", "b", get_cas=True), "")
    _, cas = client.gets("add cas")
    check_that(name("cas with get_cas"), client.cas("add cas", "c", cas, get_cas=True), "")

    check(name("set_multi"), client.set_multi({"m1": "1", "m2": b"2", "m3": 3}), [])
    check(name("get_multi"), client.get_multi(["m1", "m2", "m3", "missing"]), {"m1": "1", "m2": b"2", "m3": 3})
    check(name("get_multi, last key missing and first too"), client.get_multi(["no", "m1", "nope"]), {"m1": "1"})
    check(name("get_multi of nothing there"), client.get_multi(["no", "nope"]), {})
    many = {f"many {n}": n for n in range(given.items)}
    check(name("set_multi of many"), client.set_multi(many), [])
    check(name("get_multi of many"), client.get_multi(list(many)), many)
    pairs = client.get_multi(["m1", "m2"], get_cas=True)
    check_that(name("get_multi with get_cas"), pairs["m1"][0] == "1" and pairs["m1"][1] > 0, pairs)
    failed = client.set_multi({("m1", 0): "x", ("m2", pairs["m2"][1]): b"20", "m3": 30})
    check_that(name("set_multi with a failing cas"), [key if isinstance(key, str) else key[0] for key in failed] == ["m1"], failed)
    check(name("get_multi after it"), client.get_multi(["m1", "m2", "m3"]), {"m1": "1", "m2": b"20", "m3": 30})
    cases = client.set_multi_cas({"c1": "1", ("c2", 0): "2", ("m1", 1): "stale"})
    check_that(name("set_multi_cas"), cases["c1"] > 0 and cases["c2"] > 0 and cases["m1"] is None, cases)
    check(name("the cas it returned is the item's"), client.gets("c1"), ("1", cases["c1"]))

    check(name("incr creates"), client.incr("counter", 5, default=100), 100)
    check(name("incr"), client.incr("counter", 5), 105)
    check(name("decr"), client.decr("counter", 6), 99)
    check(name("decr stops at 0"), client.decr("counter", 1000), 0)
    check(name("incr of 2**63"), client.incr("counter", 2**63), 2**63)
    check(name("incr wraps"), client.incr("counter", 2**63 + 1), 1)
    check(name("decr creates"), client.decr("counter 2", 1, default=7), 7)
    check_raises(name("incr without creation"), MemcachedException, lambda: client.incr("counter 3", 1, time=0xFFFFFFFF))
    check_raises(name("incr of text"), MemcachedException, lambda: client.incr("text", 1))
    check(name("get of a counter"), client.get("counter 2"), "7")

    check(name("delete"), client.delete("added"), True)
    check(name("get of what was deleted"), client.get("added"), None)
    check(name("delete of a missing key"), client.delete("added"), True)
    _, cas = client.gets("m1")
    check(name("delete with a stale cas"), client.delete("m1", cas=cas + 1), False)
    check(name("delete with the right cas"), client.delete("m1", cas=cas), True)
    check(name("delete_multi"), client.delete_multi(["m2", "m3"]), True)
    check(name("get_multi of what was deleted"), client.get_multi(["m1", "m2", "m3"]), {})
    check(name("delete_multi with a missing key"), client.delete_multi(["m2", "text"]), False)

    check(name("set with a time to live"), client.set("short", "v", time=1), True)
    check(name("set with a longer time to live"), client.set("longer", "v", time=100), True)
    check(name("set expired in the past"), client.set("past", "v", time=2592001), True)
    check(name("get of what expired in the past"), client.get("past"), None)
    check(name("set until an absolute time"), client.set("absolute", "v", time=int(time.time()) + 100), True)
    check(name("get of what lives until an absolute time"), client.get("absolute"), "v")
    time.sleep(2.1)
    check(name("get of what has expired"), client.get("short"), None)
    check(name("get of what has not expired"), client.get("longer"), "v")

    stats = client.stats()
    check_that(name("stats"), all(int(s["cmd_get"]) > 0 and s["version"] for s in stats.values()), stats)
    if given.groups:
        settings = client.stats("settings")
        check_that(name("stats settings"), all(s["maxbytes"] for s in settings.values()), settings)
        check_that(name("stats items"), all(s for s in client.stats("items").values()), "nothing")
        check_that(name("stats reset"), all(s == {} for s in client.stats("reset").values()), "something")
    for server in getattr(client, "_servers", client.servers):
        server = getattr(server, "noop", None) and server
        if server is not None:
            check(name("noop"), server.noop(), 0)

    check(name("flush_all in 2 s"), client.flush_all(time=2), True)
    time.sleep(3)
    check(name("get after the delayed flush"), client.get("longer"), None)
    check(name("set before a flush"), client.set("text", "value"), True)
    check(name("flush_all now"), client.flush_all(), True)
    check(name("get after the flush"), client.get("text"), None)
    client.disconnect_all()
    check(name("reconnects by itself"), client.set("text", "value"), True)
    client.disconnect_all()


def raw_and_options(server, login):
    """Options of the client that change what is sent."""
    client = bmemcached.Client((server,), raw_data=True, **login)
    check("raw_data set", client.set("raw", b"\x01\x02"), True)
    check("raw_data get", client.get("raw"), b"\x01\x02")
    client.disconnect_all()
    client = bmemcached.Client((server,), compression=zlib, pickle_protocol=4, socket_timeout=5, **login)
    check("compression set", client.set("zipped", "z" * 50000, compress_level=6), True)
    check("compression get", client.get("zipped"), "z" * 50000)
    client.disconnect_all()


def authentication(server, user, password):
    for wrong in [(user, password + "x"), ("nobody", password), (user, ""), (user + "x", password)]:
        client = bmemcached.Client((server,), *wrong)
        check_raises(f"login as {wrong[0]} with a wrong password", (InvalidCredentials, MemcachedException), lambda: client.get("text"))
    client = bmemcached.Client((server,))
    # Without a login the server answers with 0x20 and closes.
    check_raises("get without a login", MemcachedException, lambda: client.get("text"))


def main():
    given = arguments()
    logging.disable(logging.CRITICAL)
    login = {}
    if given.user is not None:
        login = {"username": given.user, "password": given.password}
        authentication(given.server, given.user, given.password)
    else:
        try:
            client = bmemcached.Client((given.server,), "user", "password")
            check("a login on a server without logins is ignored", client.set("k", "v"), True)
        except AuthenticationNotSupported:
            print("ok a login on a server without logins is refused by the client")
    commands("ReplicatingClient", lambda: bmemcached.ReplicatingClient((given.server,), **login), given)
    commands("DistributedClient", lambda: bmemcached.DistributedClient((given.server,), **login), given)
    raw_and_options(given.server, login)
    print("all passed")


main()
