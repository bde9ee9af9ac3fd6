"""Runs a file of Keras' ONNX export: run_onnx.py MODEL IMAGES.npy, as in run_interpreter.py."""

import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
(image,) = session.get_inputs()
outputs = [session.run(None, {image.name: each[None]})[0][0].tolist() for each in np.load(sys.argv[2])]
print(json.dumps({"version": onnxruntime.__version__, "outputs": outputs}))
