"""The arithmetic behind the layers, where one form does not serve training and export alike."""
