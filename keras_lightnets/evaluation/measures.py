"""How good a classifier is: top-1, top-5, class by class, and whether its probabilities can be believed."""

import numpy as np
import tensorflow as tf

from keras_lightnets.data.pipeline import evaluation_batches

_BINS = 15


def predict_source(model, source, classes, evaluation):
    """Returns the scores `(n, classes)` of every image of a `Source`, and the class numbers `(n,)`.

    Raises:
        UserError: names an image that cannot be read.
    """
    images = evaluation_batches(source, classes, evaluation).map(lambda image, label, weight: image)
    labels = source.ordered(None).map(lambda key, label: label)
    try:
        scores = model.predict(images, verbose=0)[: source.count]
        return scores, np.fromiter(labels.as_numpy_iterator(), "int64", source.count)
    except tf.errors.OpError:
        source.check()
        raise


def summarize(scores, labels):
    """Measures a classifier.

    Args:
        scores: float array `(n, classes)`, probabilities.
        labels: int array `(n,)`, the right classes.

    Returns:
        A dict:

        * "images", their number.
        * "top1" and "top5", the shares of the images with the right class in first place and among the first five.
        * "loss", the mean cross-entropy in nats.
        * "calibration_error", the mean gap between confidence and accuracy: the expected calibration error with 15
          bins of equal width (Guo et al., ICML 2017).
    """
    right = scores[np.arange(len(labels)), labels]
    # Equal scores count against the classifier.
    rank = (scores >= right[:, None]).sum(-1)
    confidence, correct = scores.max(-1), scores.argmax(-1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(np.sum(confidence[bins == b]) - np.sum(correct[bins == b])) for b in range(_BINS)]
    return {
        "images": len(labels),
        "top1": float(np.mean(correct)),
        "top5": float(np.mean(rank <= 5)),
        "loss": float(-np.mean(np.log(np.maximum(right, 1e-12)))),
        "calibration_error": float(np.sum(gaps) / len(labels)),
    }


def standard_error(accuracies, images):
    """Returns the standard error of the mean of accuracies of several seeds on the same test images.

    Args:
        accuracies: list of floats in [0, 1].
        images: int, number of test images. All seeds share the choice of test images. The spread of one seed alone is
            not known.
    """
    mean = float(np.mean(accuracies))
    between = float(np.var(accuracies, ddof=1)) / len(accuracies) if len(accuracies) > 1 else 0.0
    return (mean * (1 - mean) / images + between) ** 0.5


def confusion_matrix(scores, labels):
    """Returns the counts `(classes, classes)`: rows are the right classes, columns the predicted ones."""
    matrix = np.zeros((scores.shape[1], scores.shape[1]), int)
    np.add.at(matrix, (labels, scores.argmax(-1)), 1)
    return matrix


def class_table(matrix, classes):
    """Returns a dict per class: "class", "images", "recall" and "precision", the last two None without images."""
    right, counts, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    return [
        {
            "class": name,
            "images": int(counts[i]),
            "recall": float(right[i] / counts[i]) if counts[i] else None,
            "precision": float(right[i] / predicted[i]) if predicted[i] else None,
        }
        for i, name in enumerate(classes)
    ]
