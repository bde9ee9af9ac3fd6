"""Each module is a command: python -m benchmarks.NAME."""

import os

# The log of TensorFlow is not what was asked for.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
