"""Training: from images to a classifier and its exports, on one device or many."""

from keras_lightnets.release.releasing import release as release
from keras_lightnets.training.config import Config as Config
from keras_lightnets.training.config import load_recipe as load_recipe
from keras_lightnets.training.config import recipes as recipes
from keras_lightnets.training.finetuning import finetune as finetune
from keras_lightnets.training.options import Options as Options
from keras_lightnets.training.training import train as train
