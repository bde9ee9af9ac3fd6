"""Detectors as their files have them."""

import keras

from keras_lightnets.detection import Detector


def deployed(model):
    """Returns what is exported of a model: of a `Detector`, probabilities; any other model as it is.

    The file of a detector returns what MediaPipe and `decode_detections` take: box codes, `"boxes"`, and in the place
    of the logits the probabilities of the classes, `"classes"`, without the background: class 0 is the first label.
    """
    if not isinstance(model, Detector):
        return model
    # With the background among them the probabilities add up to one, so it is left out behind the softmax.
    probabilities = keras.layers.Softmax(name="probabilities")(model.output["classes"])[..., 1:]
    return keras.Model(model.input, {**model.output, "classes": probabilities}, name=model.name)
