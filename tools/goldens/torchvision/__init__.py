"""The private form of ShuffleNet V2 that fits the weights of torchvision."""
