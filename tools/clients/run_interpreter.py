"""Runs a file with TFLite's interpreter of tflite-runtime or TensorFlow: run_interpreter.py MODEL IMAGES.npy

The images are as the file takes them. Prints the version and the outputs as they are.
"""

import json
import sys

import numpy as np

try:
    import tflite_runtime as runtime
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    import tensorflow as runtime

    Interpreter = runtime.lite.Interpreter

interpreter = Interpreter(model_path=sys.argv[1])
interpreter.allocate_tensors()
outputs = []
for image in np.load(sys.argv[2]):
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].tolist())
print(json.dumps({"version": runtime.__version__, "outputs": outputs}))
