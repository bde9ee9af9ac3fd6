"""A quiet TensorFlow for every test, and the photos that several train on."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder with 60 photos to train on and 12 to test on, of three classes."""
    from tests.photos import write_images

    return write_images(tmp_path_factory.mktemp("photos"), {"train": 20, "test": 4})
