"""python -m keras_lightnets: the `keras-lightnets` command."""

from keras_lightnets.cli.main import main

main()
