"""Keeps the logs of converters and delegates off the terminal."""

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading

from keras_lightnets.errors import interruptions

# Two threads that divert and restore in turns would leave the process without its output.
_LOCK = threading.RLock()


class _Diverted(io.TextIOBase):
    """Standard output or error, diverted for a while. A logger that keeps the stream prints as usual afterwards."""

    encoding = "utf-8"

    def __init__(self, name, log):
        self._name, self._log = name, log

    def write(self, text):
        return (getattr(sys, self._name) if self._log.closed else self._log).write(text)


@contextlib.contextmanager
def _uninterrupted():
    """Keeps a first Ctrl-C or SIGTERM for the end. C++ code that calls Python may die of an exception in between."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = []

    def keep(*signal_and_frame):
        kept.append(signal_and_frame)
        if len(kept) > 1:
            handlers[signal_and_frame[0]](*signal_and_frame)

    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
    handlers = {number: signal.signal(number, keep) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if len(kept) == 1:
            handlers[kept[0][0]](*kept[0])


@contextlib.contextmanager
def quiet():
    """Diverts what C++ code and Python write to standard output and error. After an exception, shows it.

    It diverts for the whole process. A second thread waits for the first. A first interruption waits for the end.
    """
    with _uninterrupted(), _LOCK:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        with tempfile.TemporaryFile() as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            try:
                # Python may write to copies of the descriptors, as the command does.
                with (
                    interruptions(),
                    open(os.dup(log.fileno()), "w", buffering=1) as text,
                    contextlib.redirect_stdout(_Diverted("stdout", text)),
                    contextlib.redirect_stderr(_Diverted("stderr", text)),
                ):
                    yield
            except Exception as error:
                log.seek(0)
                error.add_note(log.read().decode(errors="replace"))
                raise
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                for number, descriptor in enumerate(saved, 1):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
