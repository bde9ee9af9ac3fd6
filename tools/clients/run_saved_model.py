"""Runs a SavedModel without this package: run_saved_model.py FOLDER IMAGES.npy, as in run_interpreter.py."""

import json
import sys

import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
outputs = model.serve(tf.constant(np.load(sys.argv[2]))).numpy().tolist()
print(json.dumps({"version": tf.__version__, "outputs": outputs}))
