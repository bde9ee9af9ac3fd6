"""Keeps the logs of converters and delegates off the terminal."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet():
    """Diverts what C++ code and Python write to standard output and error; an exception shows what was diverted."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            # Python may write to copies of the descriptors, as the command does.
            with (
                open(os.dup(log.fileno()), "w", buffering=1) as text,
                contextlib.redirect_stdout(text),
                contextlib.redirect_stderr(text),
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
