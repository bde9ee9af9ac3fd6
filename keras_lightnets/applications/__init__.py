"""The architectures, one a file, in the shape of `keras.applications`."""

from keras_lightnets.applications.micronet import MicroNetM0 as MicroNetM0
from keras_lightnets.applications.micronet import MicroNetM1 as MicroNetM1
from keras_lightnets.applications.micronet import MicroNetM2 as MicroNetM2
from keras_lightnets.applications.micronet import MicroNetM3 as MicroNetM3
