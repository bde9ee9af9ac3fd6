"""Runs a `.tflite` file once in TensorFlow Lite Micro, which writes its memory to standard error."""

import sys

import numpy as np

# Bytes, more than any microcontroller has.
_ARENA = 1 << 26


def main():
    """Runs the file on zeros."""
    # An extra.
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    interpreter = Interpreter.from_file(sys.argv[1], arena_size=_ARENA)
    about = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(about["shape"], about["dtype"]), 0)
    interpreter.invoke()
    interpreter.print_allocations()


if __name__ == "__main__":
    main()
