"""Folders of images as people have them: which files are used, for which part, and what is refused in one line."""

import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.data.folder import read_folder
from keras_lightnets.errors import UserError


def _fill(root, counts):
    """Writes files that no one opens: a dict from names, with %d for the number, to how many there are."""
    for name, count in counts.items():
        for i in range(count):
            path = root / (name % i if "%" in name else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def _classes(parts, names=("cat", "dog")):
    return {f"{part}/{name}/%d.jpg": count for part, count in parts.items() for name in names}


# Files, the images of each class in train, validation and test, and what is left out.
LAYOUTS = {
    "classes": (_classes({".": 20}), (16, 2, 2), {}),
    "subfolders of classes": ({**_classes({".": 10}), **_classes({".": 10}, ("cat/a", "dog/b"))}, (16, 2, 2), {}),
    "train": (_classes({"train": 20}), (16, 2, 2), {}),
    "train and test": (_classes({"train": 20, "test": 5}), (18, 2, 5), {}),
    "other case": (_classes({"TRAIN": 20, "Test": 5}), (18, 2, 5), {}),
    "training and validation": (_classes({"training": 20, "validation": 5}), (18, 2, 5), {}),
    "sets": (_classes({"training_set": 20, "test_set": 5}), (18, 2, 5), {}),
    "train and dev": (_classes({"train": 20, "dev": 5}), (18, 2, 5), {}),
    "train and eval": (_classes({"train": 20, "eval": 5}), (18, 2, 5), {}),
    "images in their names": (_classes({"train_images": 20, "val-images": 5}), (18, 2, 5), {}),
    "three parts": (_classes({"train": 20, "val": 4, "test": 5}), (20, 4, 5), {}),
    "three others": (_classes({"Training": 20, "Valid": 4, "Testing": 5}), (20, 4, 5), {}),
    "a class called train": (_classes({".": 20}, ("bus", "train")), (16, 2, 2), {}),
    "classes called valid and invalid": (_classes({".": 20}, ("valid", "invalid")), (16, 2, 2), {}),
    "hidden files": (
        {
            **_classes({".": 20}),
            "cat/.ipynb_checkpoints/%d-checkpoint.jpg": 3,
            "dog/@eaDir/%d.jpg/SYNOPHOTO_THUMB_M.jpg": 4,
            "dog/._%d.jpg": 2,
            "cat/Thumbs.db": 1,
            "__MACOSX/cat/%d.jpg": 5,
            "#recycle/%d.jpg": 1,
            ".DS_Store": 1,
        },
        (16, 2, 2),
        {"hidden or system files": 17},
    ),
    "other kinds": (
        {**_classes({".": 20}), "cat/%d.heic": 7, "dog/%d.HEIC": 2, "dog/%d.txt": 1, "cat/notes": 1, "%d.jpg": 3},
        (16, 2, 2),
        {".heic": 9, ".txt": 1, "files without ending": 1, "images beside the class folders": 3},
    ),
    "all that Pillow reads": (
        {f"{name}/%d{suffix}": 4 for name in "ab" for suffix in (".jfif", ".JPE", ".avif", ".mpo", ".apng")},
        (16, 2, 2),
        {},
    ),
    "lists beside the classes": ({**_classes({".": 20}), "labels.csv": 1, "README": 1}, (16, 2, 2), {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name, tmp_path):
    files, counts, left_out = LAYOUTS[name]
    folder = read_folder(_fill(tmp_path, files), seed=0)
    assert len(folder.classes) == 2 and list(folder.classes) == sorted(folder.classes)
    for (part, split), count in zip(folder.splits.items(), counts, strict=True):
        assert Counter(split.labels.tolist()) == {0: count, 1: count}, part
        for path, label in zip(*split, strict=True):
            assert folder.classes[label] in path.parts
    assert folder.left_out == left_out
    paths = [path for split in folder.splits.values() for path in split.paths]
    assert len(set(paths)) == len(paths)


def test_the_split_is_decided_by_the_seed(tmp_path):
    _fill(tmp_path, _classes({".": 20}))
    first, again, other = (read_folder(tmp_path, seed).splits for seed in (0, 0, 1))
    for part in first:
        assert first[part].paths == again[part].paths != other[part].paths


def test_links_are_followed_and_loops_are_not(tmp_path):
    _fill(tmp_path, {"disk/more/%d.jpg": 5, **_classes({"data": 15})})
    data = tmp_path / "data"
    (data / "cat" / "more").symlink_to(tmp_path / "disk" / "more")
    (data / "cat" / "again").symlink_to(data / "cat")
    (data / "dog" / "itself").symlink_to(data / "dog" / "itself")
    (data / "dog" / "lost.jpg").symlink_to(tmp_path / "nothing")
    os.mkfifo(data / "dog" / "pipe.jpg")
    folder = read_folder(data, 0)
    assert Counter(label for split in folder.splits.values() for label in split.labels.tolist()) == {0: 20, 1: 15}
    assert folder.left_out == {"files without ending": 1, "broken links or special files": 2}


def _bytes(name):
    return os.fsdecode(name)


REFUSALS = {
    "nothing": ({}, "holds no folders of images"),
    "no classes": ({"%d.jpg": 9}, "holds no folders of images"),
    "one class": ({"cat/%d.jpg": 9}, "holds one class only, 'cat'"),
    "few images": ({**_classes({".": 9}), "fox/%d.jpg": 2}, "fox has 2 images; class 'fox' needs at least 3"),
    "empty class": ({**_classes({".": 9}), "fox/.keep": 1}, "fox holds no images but 1 hidden or system files"),
    "phones": ({**_classes({".": 9}), "fox/%d.heic": 9}, "fox holds no images but 9 .heic"),
    "unknown test class": (
        {**_classes({"train": 9}), **_classes({"test": 3}, ("cat", "fox"))},
        "test/fox is a class that .*train lacks",
    ),
    "unknown validation class": (
        {**_classes({"train": 9, "test": 9}), **_classes({"val": 3}, ("cow",))},
        "val/cow is a class that .*train lacks",
    ),
    "parts and classes": (
        {**_classes({"train": 9, "test": 3}), "fox/%d.jpg": 9},
        r"holds parts \(test, train\) and other folders \(fox\)",
    ),
    "classes and a test": ({**_classes({".": 9}), **_classes({"test": 3})}, r"holds parts \(test\) and other folders"),
    "a part twice": (_classes({"Train": 9, "training": 9}), "holds two folders of the same part among Train, training"),
    "no training": (_classes({"val": 9, "test": 9}), "holds test, val but no folder train"),
    "parts without classes": ({"train/%d.jpg": 9, "test/%d.jpg": 9}, "holds test, train without class folders"),
    "a test without classes": ({**_classes({"train": 9}), "test/%d.jpg": 9}, "test holds no folders of images"),
    "a class that is not UTF-8": (
        {**_classes({".": 9}), _bytes(b"caf\xe9/%d.jpg"): 9},
        r"caf\\xe9 is not a",
    ),
    "a file that is not UTF-8": ({**_classes({".": 9}), _bytes(b"cat/\xff.jpg"): 1}, r"\\xff.jpg is not a name in"),
    "two lines": ({**_classes({".": 9}), "a\nb/%d.jpg": 9}, r"a\\nb is not a name"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name, tmp_path):
    files, message = REFUSALS[name]
    with pytest.raises(UserError, match=message) as caught:
        read_folder(_fill(tmp_path, files), seed=0)
    assert str(caught.value).isprintable()


def test_closed_folders_are_named(tmp_path, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if Path(path).name in ("dog", ".trash"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    _fill(tmp_path, {**_classes({".": 9}), "cat/.trash/%d.jpg": 9})
    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match="dog cannot be read: Permission denied"):
        read_folder(tmp_path, seed=0)


@pytest.mark.parametrize(("command", "module"), [("finetune", "finetuning"), ("train", "training")])
def test_runs_say_what_is_left_out(command, module, tmp_path, monkeypatch):
    """With names that look like the markup of the terminal; the run ends where its training begins."""
    data = tmp_path / "data"
    for name in ("[bold]cat", "[red]"):
        for i in range(20):
            (data / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(data / name / f"{i}.png")
    _fill(data, {"[red]/%d.heic": 3, "[red]/.hidden": 1, "[red]/%d.[b]": 2})

    def stop(run, about):
        raise UserError("The training would begin here.")

    monkeypatch.setattr(f"keras_lightnets.training.{module}.complete", stop)
    more = ["--model", "MobileNet-alpha=0.25", "--size", "32", "--data", str(data), "--output", str(tmp_path / "out")]
    more += ["--recipe", "cifar10", "--batch-size", "16"] if command == "train" else []
    result = CliRunner().invoke(app, [command, *more], env={"COLUMNS": "120"})
    assert "would begin here" in str(result.exception)
    assert "Left out: 3 .heic, 2 .[b], 1 hidden or system files." in result.stdout
    if command == "finetune":
        assert "[bold]cat" in result.stdout and "[red]" in result.stdout
        assert result.stdout.index("Left out") < result.stdout.index("└")
