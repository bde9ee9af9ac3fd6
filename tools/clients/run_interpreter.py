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


def main(model, images):
    """Prints what the interpreter says."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    (image_in, *_), (scores_out, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in np.load(images):
        interpreter.set_tensor(image_in["index"], image[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(scores_out["index"])[0].tolist())
    print(json.dumps({"version": runtime.__version__, "outputs": outputs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
