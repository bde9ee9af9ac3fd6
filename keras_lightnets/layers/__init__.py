"""Primitives that Keras lacks, one a file. Importing the package registers every class that model files name."""

from keras_lightnets.layers import inference as inference
from keras_lightnets.layers import quantized as quantized
from keras_lightnets.layers.axial_depthwise_conv import AxialDepthwiseConv2D as AxialDepthwiseConv2D
from keras_lightnets.layers.batch_normalization import BatchNormalization as BatchNormalization
from keras_lightnets.layers.channel_shuffle import ChannelShuffle as ChannelShuffle
from keras_lightnets.layers.channel_split import ChannelSplit as ChannelSplit
from keras_lightnets.layers.depthwise_conv import DepthwiseConv2D as DepthwiseConv2D
from keras_lightnets.layers.dynamic_shift_max import DynamicShiftMax as DynamicShiftMax
from keras_lightnets.layers.grouped_conv import GroupedConv2D as GroupedConv2D
from keras_lightnets.layers.micro_factorized import MicroFactorizedDepthwiseConv2D as MicroFactorizedDepthwiseConv2D
from keras_lightnets.layers.micro_factorized import MicroFactorizedPointwiseConv2D as MicroFactorizedPointwiseConv2D
from keras_lightnets.layers.partial_residual import PartialResidual as PartialResidual
from keras_lightnets.layers.silu import SiLU as SiLU
