"""Training: from images to a classifier and its exports, on one device or many."""

from keras_lightnets.training.config import Config as Config
from keras_lightnets.training.config import load_recipe as load_recipe
from keras_lightnets.training.config import recipes as recipes
from keras_lightnets.training.finetune import finetune as finetune
from keras_lightnets.training.options import Options as Options
from keras_lightnets.training.release import release as release
from keras_lightnets.training.train import train as train
