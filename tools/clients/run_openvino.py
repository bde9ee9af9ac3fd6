"""Runs a file with OpenVINO: run_openvino.py MODEL IMAGES.npy, as in run_interpreter.py."""

import json
import sys

import numpy as np
import openvino

model = openvino.compile_model(sys.argv[1], "CPU")
outputs = [model(image[None])[0][0].tolist() for image in np.load(sys.argv[2])]
print(json.dumps({"version": openvino.__version__.split("-")[0], "outputs": outputs}))
