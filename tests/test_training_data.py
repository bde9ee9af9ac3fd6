"""The images of a run: sources, batches decided by seed and step alone, and data that are refused."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import Evaluation, evaluation_batches, evaluation_steps, training_batches
from keras_lightnets.data.source import arrays
from keras_lightnets.errors import UserError
from keras_lightnets.training.config import Config, make_config
from tests.photos import TINY, write_images

AUGMENTED = {"randaugment": 9.0, "erasing": 0.5, "mixup": 0.2, "cutmix": 1.0, "jitter": 0.4}


def _noise(count=50):
    random = np.random.default_rng(0)
    return arrays(random.integers(0, 255, (count, 20, 20, 3), "uint8"), np.arange(count) % 5)


def _batches(count, source=None, **kwargs):
    settings = {"model": "MicroNetM0", "size": 16, "batch_size": 8, **kwargs.pop("settings", {})}
    data = training_batches(source or _noise(), 5, make_config(settings), **kwargs)
    return list(data.take(count).as_numpy_iterator())


@pytest.mark.parametrize("settings", [{}, AUGMENTED], ids=["plain", "augmented"])
def test_batches_are_decided_by_seed_and_step(settings):
    first = _batches(8, settings=settings)
    again = _batches(1, settings=settings, first_step=7)
    for before, after in zip(first[7], again[0], strict=True):
        np.testing.assert_array_equal(before, after)
    other = _batches(1, settings={**settings, "seed": 1})
    assert np.abs(first[0][0] - other[0][0]).max() > 0.5
    images, labels = first[0]
    assert images.shape == (8, 16, 16, 3) and images.dtype == "float32" and np.isfinite(images).all()
    np.testing.assert_allclose(labels.sum(-1), 1.0, rtol=1e-5)
    # Six batches are an epoch; the next one has another order.
    assert np.abs(first[0][0] - first[6][0]).max() > 0.5


def test_an_epoch_shows_every_image_at_most_once():
    pixels = np.repeat(np.arange(50, dtype="uint8"), 20 * 20 * 3).reshape(50, 20, 20, 3)
    source = arrays(pixels, np.arange(50) % 5)
    batches = _batches(12, source=source, settings={"model": "MobileNet-alpha=0.25"})
    shown = [np.round(images[:, 0, 0, 0] * 127.5 + 127.5).astype(int) for images, _ in batches]
    for epoch in (shown[:6], shown[6:]):
        assert len(set(np.concatenate(epoch))) == 48
    for (_, labels), numbers in zip(batches, shown, strict=True):
        np.testing.assert_array_equal(labels.argmax(-1), numbers % 5)


@pytest.mark.slow
@pytest.mark.chosen
def test_workers_share_out_each_batch():
    whole = _batches(3, settings={"randaugment": 5.0})
    parts = [
        _batches(3, settings={"randaugment": 5.0}, pipelines=2, pipeline=worker, batch_size=4) for worker in (0, 1)
    ]
    for step, batch in enumerate(whole):
        for i, values in enumerate(batch):
            np.testing.assert_array_equal(values[0::2], parts[0][step][i])
            np.testing.assert_array_equal(values[1::2], parts[1][step][i])


def test_evaluation_sees_every_image_once(photos):
    source = open_data(str(photos), 0, 0.0).splits["test"]
    evaluation = Evaluation(32, 0.875, Config("MicroNetM0").record.preprocessing, 5)
    batches = list(evaluation_batches(source, 3, evaluation).as_numpy_iterator())
    assert len(batches) == evaluation_steps(source, 5) == 3
    labels, weights = (np.concatenate([batch[i] for batch in batches]) for i in (1, 2))
    assert weights.tolist() == 12 * [1.0] + 3 * [0.0]
    assert labels[:12].argmax(-1).tolist() == 4 * [0] + 4 * [1] + 4 * [2]


def _write_records(path, labels, damage=False, image="image/encoded", label="image/class/label"):
    png = tf.io.encode_png(np.zeros((8, 8, 3), "uint8")).numpy()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in labels:
            feature = {
                image: tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
                label: tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    if damage:
        content = bytearray(path.read_bytes())
        content[-20] ^= 255
        path.write_bytes(content)


def test_tfrecords(tmp_path):
    _write_records(tmp_path / "train-00", [1, 2] * 10)
    _write_records(tmp_path / "train-01", [2, 1] * 10)
    _write_records(tmp_path / "validation-00", [1, 2, 2])
    data = open_data(f"tfrecord:{tmp_path}/*", 0, 0.1)
    # TF-slim's classes begin at 1.
    assert data.classes == ("0", "1")
    assert {part: split.count for part, split in data.splits.items()} == {"train": 36, "validation": 4, "test": 3}
    for part, split in data.splits.items():
        assert len(list(split.ordered(None))) == data.splits[part].count
    orders = [
        [int(label) for _, label in data.splits["train"].ordered(tf.constant([s, 0], tf.int64))] for s in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def _spoil_jpeg(folder):
    (folder / "train" / "b" / "003.jpg").write_bytes(b"\xff\xd8\xff no image")


DATA_REFUSALS = {
    "no folder": (lambda folder: folder / "none", "none is not a folder"),
    "empty class": (lambda folder: (folder / "train" / "d").mkdir(), "train/d holds no images"),
    "no records": (lambda folder: f"tfrecord:{folder}/none*", "No file matches"),
    "records of no test": (
        lambda folder: (_write_records(folder / "train-0", [0, 1]), f"tfrecord:{folder}/train-*")[1],
        "needs files for training and others with 'test' or 'val'",
    ),
    "damaged record": (
        lambda folder: (
            _write_records(folder / "train-0", [0, 1]),
            _write_records(folder / "test-0", [0, 1, 0], damage=True),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "test-0 is damaged after 2 records",
    ),
    "a class without records": (
        lambda folder: (
            _write_records(folder / "train-0", [0, 2]),
            _write_records(folder / "test-0", [0]),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "Class 1 has no training record",
    ),
    "other features": (
        lambda folder: (
            _write_records(folder / "train-0", [0], image="picture"),
            _write_records(folder / "test-0", [0], image="picture"),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "It has: .*picture",
    ),
    "large batch": (lambda folder: None, "The batch of 64 is larger than the 54 training images"),
}


@pytest.mark.parametrize("name", DATA_REFUSALS)
def test_bad_data_leave_nothing_behind(name, tmp_path):
    spoil, message = DATA_REFUSALS[name]
    data = write_images(tmp_path / "photos", {"train": 20, "test": 4})
    data, output = spoil(data) or data, tmp_path / "out"
    result = CliRunner().invoke(
        app, ["train", *TINY, "--batch-size", "64", "--data", str(data), "--output", str(output)]
    )
    assert isinstance(result.exception, UserError)
    with pytest.raises(UserError, match=message):
        raise result.exception
    assert not output.exists()


def test_an_unreadable_image_is_named(tmp_path):
    data = write_images(tmp_path / "photos", {"train": 20, "test": 4})
    _spoil_jpeg(data)
    source = open_data(str(data), 0, 0.0).splits["train"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        _batches(7, source)
    with pytest.raises(UserError, match="b/003.jpg is not an image that can be read. Mend or remove it."):
        source.check()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_tensorflow_datasets(photos, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from keras_lightnets.data.tfds import from_builder

    data = from_builder(tfds.folder_dataset.ImageFolder(str(photos)))
    assert data.classes == ("a", "b", "c")
    assert {part: split.count for part, split in data.splits.items()} == {"train": 60, "validation": 12, "test": 12}
    first, again = (_batches(4, data.splits["train"], first_step=step) for step in (0, 2))
    np.testing.assert_array_equal(first[2][0], again[0][0])
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(photos / "test" / "a", tmp_path / "photos" / "test" / "d")
    with pytest.raises(UserError, match="has no training image of class 'd'"):
        from_builder(tfds.folder_dataset.ImageFolder(str(tmp_path / "photos")))
    builder = tfds.testing.DummyMnist(data_dir=str(tmp_path))
    builder.download_and_prepare()
    data = from_builder(builder, holdout=0.1)
    assert {part: split.count for part, split in data.splits.items()} == {"train": 18, "validation": 2, "test": 20}
    # Grey images become three channels.
    assert _batches(2, data.splits["train"])[1][0].shape == (8, 16, 16, 3)
    with tfds.testing.mock_data(num_examples=200):
        images, labels = _batches(2, from_builder(builder).splits["train"])[1]
        assert np.isfinite(images).all() and images.std() > 0.1
    with pytest.raises(UserError, match="TensorFlow Datasets has no 'cifar9'"):
        open_data("tfds:cifar9", 0, 0.1)
