"""From a Keras model to files for servers and phones, each of them run and compared before it is handed over."""

from keras_lightnets.export.fusing import fuse as fuse
from keras_lightnets.export.saved_model import to_saved_model as to_saved_model
from keras_lightnets.export.tflite import to_tflite as to_tflite
from keras_lightnets.export.verification import Report as Report
from keras_lightnets.export.verification import verify as verify
