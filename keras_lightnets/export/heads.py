"""What the scores of a model mean: probabilities or logits, of one class or several."""

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.graph import calls, nn_operations

# Layers behind which scores are what they were.
_SAME_SCORES = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.Identity, keras.layers.Reshape)
# Pixels of this class do not count.
IGNORED = 255
# Probabilities nearer to 0 or 1 have too few digits for a logit.
_LEAST_PROBABILITY = {"softmax": 1e-9, "sigmoid": 1e-4}


def head_of(model, output):
    """Returns "softmax" or "sigmoid", what a functional model ends in at one of its `outputs`, or None."""
    call = next((call for call in calls(model) if any(tensor is output for tensor in call.outputs)), None)
    if call is None:
        return None
    if call.model is not None:
        return head_of(call.model, call.model.outputs[[tensor is output for tensor in call.outputs].index(True)])
    operation = call.operation
    if isinstance(operation, _SAME_SCORES):
        return head_of(model, call.inputs[0])
    if isinstance(operation, keras.layers.Softmax | nn_operations.Softmax):
        return "softmax" if operation.axis == -1 else None
    if isinstance(operation, nn_operations.Sigmoid):
        return "sigmoid"
    activation = getattr(operation, "activation", None)
    known = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}
    return known.get(activation)


def logits(scores, head):
    """Returns the logits behind scores. Logits behind a softmax are found up to a number that they share."""
    if head is None:
        return scores
    least = _LEAST_PROBABILITY[head]
    if head == "softmax":
        values = np.log(np.maximum(scores, least))
        return values - values.mean(-1, keepdims=True)
    scores = np.clip(scores, least, 1 - least)
    return np.log(scores) - np.log(1 - scores)


def decisions(scores, head):
    """Returns the numbers of the likeliest classes. A single score says whether it is class 1."""
    if scores.shape[-1] == 1:
        return (scores[..., 0] > (0.5 if head == "sigmoid" else 0.0)).astype(int)
    return scores.argmax(-1)


def _is_one_hot(labels):
    return np.all((np.count_nonzero(labels, axis=-1) == 1) & (np.max(labels, axis=-1) > 0))


def class_numbers(labels, scores, name):
    """Returns labels as the numbers of classes.

    Args:
        labels: int array like `scores` without the last axis, with a last axis of 1, or one-hot. Pixels may be
            `IGNORED`.
        scores: float array `(n, ..., classes)`.
        name: str, the name of the model.

    Returns:
        int array `(n, ...)`.

    Raises:
        UserError: if there are more or fewer labels than scores, or they are no numbers of classes.
    """
    try:
        labels, classes = np.asarray(labels), max(scores.shape[-1], 2)
    except ValueError:
        raise UserError("`labels` must be numbers of classes. Received lists of different lengths.") from None
    if labels.dtype.kind not in "biuf":
        raise UserError(f"`labels` must be numbers of classes. Received values such as {labels.ravel()[:1].tolist()}")
    if labels.shape == (*scores.shape[:-1], classes) and _is_one_hot(labels):
        labels = labels.argmax(-1)
    if labels.shape == (*scores.shape[:-1], 1):
        labels = labels[..., 0]
    if labels.shape != scores.shape[:-1]:
        raise UserError(
            f"`labels` of shape {labels.shape} do not fit the {len(scores)} samples of {name}: one class each."
        )
    known = (labels == np.floor(labels)) & (labels >= 0) & (labels < classes)
    if not np.all(known | ((labels == IGNORED) & (labels.ndim == 3))):
        found = f"{labels.min()} to {labels.max()}"
        raise UserError(f"`labels` of {name} must be whole numbers from 0 to {classes - 1}. Received: {found}")
    return labels.astype(int)
