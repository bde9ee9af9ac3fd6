"""Training: from a folder of images to a classifier and its exports."""

from keras_lightnets.training.finetune import finetune as finetune
from keras_lightnets.training.options import Options as Options
