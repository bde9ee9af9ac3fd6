"""Runs a file with TensorFlow Lite Micro: run_micro.py MODEL IMAGES.npy, as in run_interpreter.py."""

import importlib.metadata
import json
import sys

import numpy as np
from tflite_micro.python.tflite_micro.runtime import Interpreter

interpreter = Interpreter.from_file(sys.argv[1], arena_size=1 << 24)
outputs = []
for image in np.load(sys.argv[2]):
    interpreter.set_input(image[None], 0)
    interpreter.invoke()
    outputs.append(interpreter.get_output(0)[0].tolist())
print(json.dumps({"version": importlib.metadata.version("tflite-micro"), "outputs": outputs}))
