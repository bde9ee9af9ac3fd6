"""Weights: what is known of released ones, and the way in and out of files."""

from keras_lightnets.weights.registry import WeightRecord as WeightRecord
from keras_lightnets.weights.registry import list_weights as list_weights
