"""Targets that fail in every way there is: what the fuzzer itself is tested with."""

import os
import signal
import time

from keras_lightnets.errors import UserError
from tests.fuzz.target import Target


def _refuse(message):
    def check(path):
        raise UserError(message.format(path))

    return check


def _wrong(path):
    raise AssertionError("1 is not 2")


def _targets(**checks):
    return {name: Target(lambda folder: {"a.txt": b"some text"}, check) for name, check in checks.items()}


TARGETS = _targets(
    fine=_refuse("{} is damaged."),
    nameless=_refuse("It is damaged."),
    lines=_refuse("{} is\ndamaged."),
    long=_refuse("{} is " + 1000 * "very " + "damaged."),
    wrong=_wrong,
    traceback=lambda path: {}["x"],
    crash=lambda path: os.kill(os.getpid(), signal.SIGSEGV),
    hang=lambda path: time.sleep(60),
    greedy=lambda path: bytearray(1 << 40),
)
