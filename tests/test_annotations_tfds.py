"""Boxes and masks of TensorFlow Datasets: small data sets with the features of COCO, Pascal VOC and Oxford-IIIT Pet."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_lightnets.data.annotations import evaluation_batches, targets, training_batches
from keras_lightnets.data.annotations.tfds import boxes_of, masks_of
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.errors import UserError
from keras_lightnets.training.config import make_config
from tests.annotated import CLASSES, scenes

tfds = pytest.importorskip("tensorflow_datasets")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
]
COUNTS = {"train": 20, "validation": 5, "test": 4}


def _jpeg(scene):
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "jpeg", quality=95, subsampling=0)
    return file.getvalue()


class _Scenes(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")

    def _split_generators(self, dl_manager):
        return {part: self._generate_examples(part) for part in self.parts}

    def _generate_examples(self, part):
        for number, scene in enumerate(scenes(COUNTS[part], 100 * len(part))):
            yield number, self._example(part, scene)


class Coco(_Scenes):
    name, parts = "coco", ("train", "validation", "test")
    extra = {"area": np.int64, "is_crowd": np.bool_}

    def _info(self):
        label = tfds.features.ClassLabel(names=CLASSES)
        objects = tfds.features.Sequence({"bbox": tfds.features.BBoxFeature(), "label": label, **self.extra})
        image = tfds.features.Image(encoding_format="jpeg")
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({"image": image, "objects": objects}))

    def _example(self, part, scene):
        # As in COCO, nothing is known of the test.
        known = [] if part == "test" else list(zip(scene.labels, scene.boxes, strict=True))
        objects = [
            {
                "bbox": tfds.features.BBox(*np.divide(box, (*scene.size, *scene.size)).tolist()),
                "label": label,
                **{name: np.dtype(kind).type(7 * (kind is np.int64) + position) for name, kind in self.extra.items()},
            }
            for position, (label, box) in enumerate(known)
        ]
        return {"image": io.BytesIO(_jpeg(scene)), "objects": objects}


class Voc(Coco):
    name, extra = "voc", {"is_difficult": np.bool_}


class OxfordIiitPet(_Scenes):
    name, parts = "oxford_iiit_pet", ("train", "test")

    def _info(self):
        images = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(images))

    def _example(self, part, scene):
        mask = np.where(scene.mask > 0, 1, 2).astype("uint8")
        mask[0] = 3
        return {"image": io.BytesIO(_jpeg(scene)), "segmentation_mask": mask[..., None]}


def _prepared(kind, folder):
    builder = kind(data_dir=str(folder))
    builder.download_and_prepare()
    return builder


def _settings(**settings):
    return make_config({"model": "MobileNet-alpha=0.25", "size": 32, "batch_size": 4, **settings})


@pytest.mark.parametrize("kind", [Coco, Voc])
def test_boxes(kind, tmp_path):
    data = boxes_of(_prepared(kind, tmp_path), 0.2, 16384)
    assert data.classes == CLASSES
    counts = {part: split.count for part, split in data.splits.items()}
    # Of COCO the validation is the test, for its test has no boxes.
    expected = {"train": 16, "validation": 4, "test": 5} if kind is Coco else {"train": 20, "validation": 5, "test": 4}
    assert counts == expected
    found = list(targets(data.splits["test" if kind is Coco else "validation"]))
    known = {tuple(np.round(box, 4)) for target in found for box in target["boxes"]}
    assert known == {
        tuple(np.round(np.divide(box, (48, 64, 48, 64)).astype("float32"), 4))
        for scene in scenes(5, 1000)
        for box in scene.boxes
    }
    for target in found:
        # Every object but the first is a crowd, or difficult.
        assert target["ignored"].tolist() == [position > 0 for position in range(len(target["labels"]))]
        assert target["size"].tolist() == [48, 64] and target["areas"].dtype == np.float32
    if kind is Coco:
        assert found[0]["areas"][0] == 7
    config = _settings()
    first, again = (training_batches(data.splits["train"], "detect", config, step) for step in (0, 2))
    batches = list(first.take(3).as_numpy_iterator())
    tf.nest.map_structure(np.testing.assert_array_equal, batches[2], next(again.as_numpy_iterator()))
    assert max((truth["labels"] >= 0).sum(1).max() for _, truth in batches) == 1


def test_masks_of_pets(tmp_path):
    data = masks_of(_prepared(OxfordIiitPet, tmp_path), 0.0, 16384)
    assert data.classes == ("background", "pet") and data.splits["test"].count == 4
    config = _settings(size=48)
    how = Evaluation(48, 1.0, config.record.preprocessing, 4)
    ((images, masks),) = evaluation_batches(data.splits["test"], "segment", how).as_numpy_iterator()
    assert (masks[:, 0] == 255).all() and set(np.unique(masks)) == {0, 1, 255}
    bright = ((images > 0.2) & (images.sum(-1, keepdims=True) < 0.5)).any(-1)
    assert (bright == masks)[:, 1:].mean() > 0.95
    with pytest.raises(UserError, match="coco has no masks that are known here"):
        masks_of(_prepared(Coco, tmp_path), 0.0, 16384)
    with pytest.raises(UserError, match="oxford_iiit_pet has no boxes: it needs the feature objects"):
        boxes_of(_prepared(OxfordIiitPet, tmp_path), 0.0, 16384)
