"""Runs a file of several outputs as run_interpreter.py does: run_outputs.py MODEL IMAGES.npy, pixels of 0-255.

Prints the version and a dict from the name of each output to the numbers that it stands for.
"""

import json
import sys

import numpy as np
from run_interpreter import Interpreter, runtime


def main(model, images):
    """Prints what the interpreter says."""
    interpreter = Interpreter(model_path=model)
    runner = interpreter.get_signature_runner()
    ((name, details),) = runner.get_input_details().items()
    rows = [runner(**{name: image[None].astype(details["dtype"])}) for image in np.load(images)]
    outputs = {}
    for output, details in runner.get_output_details().items():
        values = np.concatenate([row[output] for row in rows]).astype("float32")
        scale, zero = details["quantization"]
        outputs[output] = ((values - zero) * scale if scale else values).tolist()
    print(json.dumps({"version": runtime.__version__, "outputs": outputs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
