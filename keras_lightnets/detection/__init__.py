"""Detectors on the networks of this package: SSDLite, its loss, decoding and average precision."""

from keras_lightnets.detection.anchors import Anchors as Anchors
from keras_lightnets.detection.average_precision import COCOMeanAP as COCOMeanAP
from keras_lightnets.detection.decoding import decode_detections as decode_detections
from keras_lightnets.detection.detector import Detector as Detector
from keras_lightnets.detection.loss import DetectionLoss as DetectionLoss
from keras_lightnets.detection.ssdlite import SSDLite as SSDLite
