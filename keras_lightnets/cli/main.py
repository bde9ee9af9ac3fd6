"""The `keras-lightnets` command."""

import _thread
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import typer

from keras_lightnets.cli.models import models
from keras_lightnets.cli.studies import studies
from keras_lightnets.cli.training import runs
from keras_lightnets.errors import UserError, interruptions

app = typer.Typer(
    help="Ultra-light image classifiers: from a folder of images to a verified .tflite.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _commands():
    """Ultra-light image classifiers: from a folder of images to a verified .tflite."""
    path = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "keras.json")
    with contextlib.suppress(OSError, ValueError):
        settings = json.loads(path.read_text("utf-8"))
        if isinstance(settings, dict) and settings.get("image_data_format") == "channels_first":
            fail(f"{path} says channels_first, and the networks are channels_last: change image_data_format there.")


for group in (models, runs, studies):
    app.add_typer(group)

# What Typer makes of a Ctrl-C that no command took.
_INTERRUPTED = 130
# Typer has no public name for it.
_UsageError = typer.BadParameter.__base__


def main():
    """Runs the command. Bad input ends in one line on standard error and exit status 1."""
    # Closed ones would be the next files that are opened.
    for number in range(3):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    # Libraries log to the descriptor of standard error from C++. What Python writes there still arrives.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    # Names of files may hold bytes that are no text, and a terminal may lack letters.
    sys.stdout.reconfigure(errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Treats SIGTERM like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again
    try:
        with interruptions():
            status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
            if status == _INTERRUPTED:
                raise KeyboardInterrupt
        # The work is done. A signal while Python and TensorFlow end would make it look undone.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        sys.exit(status)
    except _UsageError as error:
        fail(f"{error.format_message().rstrip('.')}. See {error.ctx.command_path} --help.")
    except UserError as error:
        fail(str(error))
    except BrokenPipeError:
        # The reader of the output has closed it, as `head` does. Python would complain at the end.
        os.dup2(2, sys.stdout.fileno())
        _leave()
    except MemoryError:
        fail("There is not enough memory. Choose smaller images or batches.")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}." if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted")


def _interrupt_again(unraisable):
    """Repeats an interruption that fell into a destructor, whose exceptions Python drops. Shows others as usual."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Later, as this function is no better place.
        threading.Timer(0.1, _thread.interrupt_main, [signal.SIGTERM]).start()
    else:
        sys.__unraisablehook__(unraisable)


def fail(message):
    """Ends the command with one line on standard error."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    _leave()


def _leave():
    """Ends the process with exit status 1, without destructors.

    The destructor of a pipeline waits for its Python functions, which an ending interpreter no longer runs.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
