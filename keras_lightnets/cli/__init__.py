"""The `keras-lightnets` command, one file a group of commands."""
