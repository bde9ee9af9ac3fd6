"""A detector as a Keras model: it knows its anchors and its loss."""

import keras
import numpy as np

from keras_lightnets.detection.anchors import Anchors
from keras_lightnets.detection.loss import DetectionLoss
from keras_lightnets.errors import UserError


@keras.saving.register_keras_serializable(package="keras_lightnets")
class Detector(keras.Model):
    """Model of `SSDLite`: a functional model that returns box codes and class logits, and trains with SSD's loss."""

    @property
    def anchors(self) -> np.ndarray:
        """Float array `(anchors, 4)` of y and x of the centre, height and width, relative to the image."""
        return next(layer for layer in self.layers if isinstance(layer, Anchors)).anchors

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of a batch: `DetectionLoss`, and the losses of regularised layers.

        Args:
            x: images. Not used.
            y: dict of `"boxes"`, float `(batch, objects, 4)`, "rel_yxyx", and `"labels"`, int `(batch, objects)`: -1
                for padding, -2 for crowds and difficult objects, which are neither learned nor taken for background.
            y_pred: the outputs of the model.
            sample_weight: None, or a weight for each image, `(batch,)`.
            training: bool. Not used.

        Raises:
            UserError: if `y` is anything else.
        """
        if not isinstance(y, dict) or set(y) != {"boxes", "labels"}:
            received = sorted(y) if isinstance(y, dict) else type(y).__name__
            raise UserError(f"{self.name} trains on a dict of 'boxes' and 'labels'. Received: y={received}")
        # Keras repeats the weights for each entry of `y`.
        weights = keras.tree.flatten(sample_weight)[0]
        loss = DetectionLoss(self.anchors, self.input_shape[1:])(y, y_pred, weights)
        return loss + super().compute_loss(x, None, y_pred, training=training) if self.losses else loss
