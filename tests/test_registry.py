"""Every weight set that is known has a complete record, and names lead to the right one or to a helpful line."""

import json
import re

import pytest

import keras_lightnets as kl
from keras_lightnets.applications.catalog import FAMILIES
from keras_lightnets.weights import list_weights, name_maps
from keras_lightnets.weights.records import record as records
from tools.zoo import ZOO

BUILDERS = {case.build.__name__ for case in ZOO}
# Those of the package itself are tested in test_released.py.
PUBLISHED = [record for record in list_weights() if not record.shipped]


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_records_are_complete(builder):
    for record in (record for record in PUBLISHED if record.builder == builder):
        networks = [family.network(row.builder, row.kwargs) for family in FAMILIES for row in family.variants]
        assert any(network.takes(record) for network in networks), "no such network"
        assert re.fullmatch(r"[\w.]+/[\w.-]+", record.name)
        ending = f".{record.format.replace(' in ', '.')}"
        assert record.file.removesuffix(".tar").endswith(ending), record.name
        for url in record.urls:
            assert re.fullmatch(r"https?://[\w.-]+/\S+", url)
            assert url.endswith(record.file) or url.endswith("/model.safetensors")
        if record.digest is None:
            assert "digest" in record.unverified
        else:
            algorithm, digits = record.digest.split(":")
            assert re.fullmatch(r"[0-9a-f]{8,}", digits)
            assert len(digits) <= {"md5": 32, "sha1": 40, "sha256": 64}[algorithm]
        # None of the publishers states a size, and no host could be asked.
        assert record.size is None and {"size", "reachable"} <= set(record.unverified)
        assert set(record.unverified) <= {*record._fields, "reachable", "layout"}
        assert record.licence and record.page.startswith("https://")
        assert record.classes in (1000, 11821) and 96 <= record.input_size <= 224
        assert record.preprocessing in (records.IMAGENET, records.SYMMETRIC, records.INSIDE, records.RAW_BGR)
        assert (record.top1 is None) == (record.top1_source is None)
        assert record.top1 is None or 37 < record.top1 < 85
        assert record.urls or not record.imagenet
        assert not (record.wrong_digest and record.imagenet)
        json.dumps(record._asdict())


def test_records_differ():
    for key in (
        [(record.name, record.include_top) for record in PUBLISHED],
        [(record.file, record.page) for record in PUBLISHED],
        [(record.builder, str(record.arguments), record.include_top) for record in PUBLISHED if record.imagenet],
    ):
        assert len(set(key)) == len(key)
    assert {record.builder for record in PUBLISHED} == BUILDERS
    # ReXNetLite's are on a drive without direct links.
    assert {record.builder for record in PUBLISHED if record.imagenet} == BUILDERS - {"ReXNetLite"}


def test_every_publisher_has_a_map_of_names():
    for record in PUBLISHED:
        owner = record.name.split("/")[0]
        if owner != "keras":
            publishers = {layout.publisher for layout in name_maps.LAYOUTS[record.builder]}
            assert {"svcl": "the authors", "clovaai": "the authors"}.get(owner, owner) in publishers, record.name


def test_names_are_explained():
    with pytest.raises(ValueError, match=r"'imagenet', 'timm/rexnet_130.nav_in1k'.* Did you mean 'timm/rexnet_130.nav"):
        kl.ReXNet(alpha=1.3, weights="timm/rexnet_130.nav_in1K")
    with pytest.raises(ValueError, match=r"'timm/rexnet_130.nav_in1k' are for ReXNet\(alpha=1.3\), not for ReXNet\(\)"):
        kl.ReXNet(weights="timm/rexnet_130.nav_in1k")
    message = r"'clovaai/rexnet_lite_1.0' by path, from https://drive.*Received: weights='imagenet'"
    with pytest.raises(ValueError, match=message):
        kl.ReXNetLite()
