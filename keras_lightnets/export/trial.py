"""Runs a `.tflite` file once: `python trial.py FILE`. LiteRT ends the process at some damaged files."""

import sys

from ai_edge_litert.interpreter import Interpreter


def main():
    """Prints why the file does not run and exits with status 1, or says nothing."""
    try:
        interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
        interpreter.allocate_tensors()
        interpreter.invoke()
        for details in interpreter.get_output_details():
            interpreter.get_tensor(details["index"])
    except (ValueError, RuntimeError, MemoryError) as error:
        print(str(error).splitlines()[0])
        sys.exit(1)


if __name__ == "__main__":
    main()
