"""What a file says of its outputs, task by task, for MediaPipe's ObjectDetector, ImageSegmenter and ImageClassifier.

The numbers of fields come from MediaPipe's `object_detector_metadata_schema.fbs`, `image_segmenter_metadata_schema.fbs`
and `metadata_schema.fbs`, as in `tflite_metadata`. MediaPipe finds the outputs of a detector by their names.
"""

import numpy as np

from keras_lightnets.detection.boxes import VARIANCES
from keras_lightnets.export.detectors import anchors_of, classes_of
from keras_lightnets.export.flatbuffer import write_table
from keras_lightnets.export.tflite_metadata import label_files, output_tables, scores

_IDENTIFIER = b"V001"
# Top, left, bottom and right, as shares of the image.
_BOXES = {0: np.uint8(3), 1: {0: np.array([1, 0, 3, 2], "uint32"), 1: np.int8(1), 2: np.int8(0)}}
_GREY_IMAGE = {0: np.uint8(2), 1: {0: np.int8(2)}, 2: {0: np.int32(1), 1: np.int32(2)}}
_EACH_VALUE = {2: {0: np.int32(2), 1: np.int32(2)}}
_TENSOR_VALUE_LABELS = np.int8(3)
_NONE, _SIGMOID, _SOFTMAX = map(np.int8, range(3))


def task_of(model):
    """Returns "detect", "segment" or "classify", what a functional model does."""
    if anchors_of(model) is not None:
        return "detect"
    (image, *_), (output, *others) = model.inputs, model.outputs
    is_mask = len(output.shape) == 4 and output.shape[1:3] == image.shape[1:3]
    return "segment" if is_mask and not others else "classify"


def task_tables(model, heads, inside, has_labels):
    """Describes the outputs of a file.

    Args:
        model: the functional model, as `deployed` returns it.
        heads: list of what `head_of` returns for each output.
        inside: bool, whether the file of a detector has the suppression inside.
        has_labels: bool, whether the file has the names of the classes.

    Returns:
        A list of tables in the order of the outputs of the Keras model, and a list of `CustomMetadata`.
    """
    task = task_of(model)
    if task == "detect":
        return _detector_tables(anchors_of(model), classes_of(model), inside, has_labels)
    if task == "segment":
        return _segmenter_tables(heads[0], classes_of(model), has_labels)
    return output_tables(model, heads, has_labels), []


def _detector_tables(anchors, classes, inside, has_labels):
    location = scores("Boxes", name="location") | {3: _BOXES}
    score = scores("Probabilities of the classes", (0.0, 1.0), has_labels and not inside, "score")
    if not inside:
        return [location, score], [{0: "DETECTOR_METADATA", 1: _detector_options(anchors, classes)}]
    category = scores("Numbers of the classes", name="category")
    if has_labels:
        category[6] = label_files(_TENSOR_VALUE_LABELS)
    for table in (location, score, category):
        table[3] = table[3] | _EACH_VALUE
    return [location, category, scores("Number of detections", name="number of detections"), score], []


def _detector_options(anchors, classes):
    y, x, height, width = anchors.T.astype("float32")
    fixed = [dict(enumerate(anchor)) for anchor in zip(x, y, width, height, strict=True)]
    # Codes are divided by these.
    y_scale, x_scale, height_scale, width_scale = (np.float32(1 / variance) for variance in VARIANCES)
    counts = {0: np.int32(classes), 1: np.int32(len(anchors)), 2: np.int32(len(VARIANCES))}
    # A key point has two values, even where there are none.
    key_points = {5: np.int32(2)}
    scales = {6: x_scale, 7: y_scale, 8: width_scale, 9: height_scale}
    has_exponential_sizes = {10: np.bool_(True)}
    decoding = counts | key_points | scales | has_exponential_sizes
    return write_table({1: {0: {0: fixed}}, 2: decoding}, _IDENTIFIER)


def _segmenter_tables(head, classes, has_labels):
    masks = scores("Scores of the classes of each pixel", None, has_labels) | {3: _GREY_IMAGE}
    # What MediaPipe shall do with the scores.
    activation = _NONE if head else _SOFTMAX if classes > 1 else _SIGMOID
    return [masks], [{0: "SEGMENTER_METADATA", 1: write_table({0: activation}, _IDENTIFIER)}]
