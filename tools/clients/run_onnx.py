"""Exports a model to ONNX as Keras does, and runs it: run_onnx.py MODEL.keras IMAGES.npy, as in run_interpreter.py."""

import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import onnxruntime

sys.path.append(str(Path(__file__).parents[2]))
import keras_lightnets as kl

with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/model.onnx"
    kl.export.fuse(keras.saving.load_model(sys.argv[1])).export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
(image,) = session.get_inputs()
outputs = [session.run(None, {image.name: each[None]})[0][0].tolist() for each in np.load(sys.argv[2])]
print(json.dumps({"version": onnxruntime.__version__, "outputs": outputs}))
