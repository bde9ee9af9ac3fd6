"""The inference graph of a model: fewer operations, no shuffles, the same outputs."""

from keras_lightnets.export.fusing.fuse import fuse as fuse
