"""Batch normalisation that trains at the speed of the backend's own operator."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from keras_lightnets.kernels import tensorflow_forms


@keras.saving.register_keras_serializable(package="keras_lightnets")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation: arguments, weights and values of `keras.layers.BatchNormalization`, faster in training.

    Keras computes the moments of a batch and normalises in separate steps. TensorFlow has one operator for both, and
    one for their gradient. They take a quarter to a half of the time. Statistics over the replicas of `tf.distribute`
    (`synchronized`), masks, renormalisation, float64 and the other backends keep Keras' steps.

    Args:
        **kwargs: arguments of `keras.layers.BatchNormalization`.

    Input shape:
        `(batch, height, width, channels)` or `(batch, channels)`. Other ranks keep Keras' steps.

    Output shape:
        The input shape.

    Reference:
        Ioffe and Szegedy, Batch Normalization, ICML 2015.

    Example:

    >>> layer = keras_lightnets.layers.BatchNormalization(momentum=0.9)
    >>> layer(np.ones((2, 4, 4, 8), "float32"), training=True).shape
    TensorShape([2, 4, 4, 8])
    """

    def call(self, inputs, training=None, mask=None):
        """Normalises `inputs`, by their own moments in training and by the moving ones otherwise."""
        if not (training and self.trainable and self._has_one_operator(inputs, mask)):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        gamma = self.gamma if self.scale else ops.ones(channels)
        beta = self.beta if self.center else ops.zeros(channels)
        x = inputs if len(inputs.shape) == 4 else inputs[:, None, None, :]
        outputs, mean, variance = tensorflow_forms.fused_batch_norm(x, gamma, beta, self.epsilon)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + ops.cast(value, moving.dtype) * (1.0 - self.momentum))
        return outputs if len(inputs.shape) == 4 else outputs[:, 0, 0, :]

    def _has_one_operator(self, inputs, mask):
        rank = len(inputs.shape)
        return (
            keras.backend.backend() == "tensorflow"
            and rank in (2, 4)
            and self.axis in (-1, rank - 1)
            and keras.backend.standardize_dtype(inputs.dtype) != "float64"
            and not (self.synchronized or self.renorm)
            and mask is None
        )
