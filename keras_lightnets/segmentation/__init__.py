"""Segmenters on the networks of this package: LR-ASPP."""

from keras_lightnets.segmentation.lraspp import LRASPP as LRASPP
