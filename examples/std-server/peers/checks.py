"""What the Python peer scripts share: arguments, and assertions that print one line per command."""

import argparse
import sys


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="host:port, or the path of a unix socket")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--large", type=int, default=960000, help="length of the largest value, before compression")
    parser.add_argument("--items", type=int, default=2000, help="how many items are stored at once")
    parser.add_argument("--no-groups", dest="groups", action="store_false", help="the server has general statistics only")
    return parser.parse_args()


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def check(command, got, expected):
    """Compares one result; the first difference ends the script with status 1."""
    if got != expected or type(got) is not type(expected):
        print(f"FAILED {command}: got {short(got)}, expected {short(expected)}")
        sys.exit(1)
    print(f"ok {command}")


def check_that(command, condition, detail=""):
    if not condition:
        print(f"FAILED {command}: {short(detail)}")
        sys.exit(1)
    print(f"ok {command}")


def check_raises(command, kind, call):
    try:
        result = call()
    except kind:
        print(f"ok {command}")
        return
    print(f"FAILED {command}: no {kind}, got {short(result)}")
    sys.exit(1)
