"""Private forms of the ShuffleNets that fit the weights of megvii-model/ShuffleNet-Series."""
