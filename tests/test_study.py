"""The pages of the studies say what the figures say."""

import argparse
import json
import re

import pytest

from tools import generate_scaling, generate_study, generate_transfer


def network(name, top1, madds, error=0.5):
    row = {"name": name, "top1": top1, "low": top1, "high": top1, "error": error, "seeds": 1, "int8_top1_change": None}
    costs = {"madds": madds, "parameters": 1e6, "latency_ms": madds / 1e6, "int8_ms": None}
    return row | costs | {"float_bytes": 2e6, "int8_bytes": None}


RIVAL = network("MobileNetV2-alpha=0.35", 65.0, 3e6)
VERDICTS = {
    "better at equal cost": (70.0, 3.2e6, r"\*\*yes\*\*. .* 5.00 ± 1.39 points above .* at about equal multiply-adds"),
    "worse at equal cost": (60.0, 2.8e6, r"\*\*no\*\*"),
    "within the error at equal cost": (66.0, 3e6, r"\*\*undecided\*\*\. "),
    "better and cheaper": (70.0, 1e6, r"\*\*yes\*\*. .* at 33% of the multiply-adds"),
    "worse and dearer": (60.0, 6e6, r"\*\*no\*\*. .* at 2.0 times the multiply-adds"),
    "as good and cheaper": (66.0, 1e6, r"\*\*as good for less\*\*"),
    "as good and dearer": (66.0, 6e6, r"\*\*as good for more\*\*"),
    "worse and cheaper": (60.0, 1e6, r"\*\*undecided, worse for less\*\*"),
    "better and dearer": (70.0, 6e6, r"\*\*undecided, better for more\*\*"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_answers(name):
    top1, madds, expected = VERDICTS[name]
    # Of those that cost more the nearest speaks for its family.
    rows = [network("MicroNetM1", top1, madds), network("MicroNetM0", 99.0, madds * 50), RIVAL]
    text = generate_study._answer(*generate_study.CLAIMS[0], rows)
    lines = [line for line in text.splitlines() if line.startswith("- Multiply-adds: ")]
    assert len(lines) == 1 and "MicroNetM1" in lines[0]
    assert re.search(expected, lines[0]), lines[0]
    assert "Not among these runs: MicroNetM2, MicroNetM3, MobileNetV3Small." in text and "Int8" not in text


def test_the_best_that_costs_no_more_answers():
    rows = [network("MicroNetM2", 70.0, 1e6), network("MicroNetM3", 66.0, 3e6), network("MicroNetM0", 60.0, 2e6), RIVAL]
    assert "**yes**. MicroNetM2" in generate_study._answer(*generate_study.CLAIMS[0], rows)


def test_table_marks_the_front():
    worse = network("MobileNet-alpha=0.25", 64.0, 4e6)
    lines = generate_study._table([RIVAL, worse]).splitlines()
    assert "| **3.00** | 1.00 | **3.000** | - | - | 2.00 |" in lines[2]
    assert "| 4.00 | 1.00 | 4.000 | - | - | 2.00 |" in lines[3]


def test_the_order_on_the_way():
    rows = [
        {"name": name, "top1_10": early, "top1_60": late}
        for name, early, late in (
            ("MicroNetM0", 60.0, 70.0),
            ("MobileNetV2-alpha=0.35", 55.0, 80.0),
            ("ReXNet", 70.0, 85.0),
        )
    ]
    course = generate_study._course(rows)
    assert course["moved"] == "1 from 10 to 60" and course["pairs"] == 3
    assert course["course"].splitlines()[2:] == [
        "| ReXNet | 70.00 (1) | 85.00 (1) |",
        "| MobileNetV2-alpha=0.35 | 55.00 (3) | 80.00 (2) |",
        "| MicroNetM0 | 60.00 (2) | 70.00 (3) |",
    ]


def test_transfer_page(tmp_path, monkeypatch):
    monkeypatch.setattr(generate_transfer, "PAGE", tmp_path / "transfer.md")
    monkeypatch.setattr(generate_transfer, "PICTURE", tmp_path / "transfer.png")
    tops = {(10, "scratch"): (0.2, 0.3), (10, "cifar10"): (0.5, 0.6), (100, "scratch"): (0.8, 0.9)}
    tops[100, "cifar10"] = (0.85, 0.87)
    common = {"data": "digits", "tested": 179, "test_images": 0}
    rows = [
        {**common, "images_per_class": shots, "start": start, "seed": seed, "images": 10 * shots, "top1": top1}
        for (shots, start), pair in tops.items()
        for seed, top1 in enumerate(pair)
    ]
    known = {"settings": {"model": "MicroNetM0", "size": 48, "steps": 400}, "rows": rows}
    options = argparse.Namespace(data=["digits=/somewhere", "more=tfds:more"], seeds=2)
    generate_transfer._write_page(known, options)
    text = (tmp_path / "transfer.md").read_text()
    assert "generate_transfer OUTPUT digits=FOLDER more=tfds:more --seeds 2`" in text and "/somewhere" not in text
    assert "| digits | 10 | 100 | 2 | 179 | 25.0% (20.0%-30.0%) | 55.0% (50.0%-60.0%) | +30.0 ± 16.9 |" in text
    assert "10 images per class: +30.0 ± 16.9 points, more than chance gives" in text
    assert re.search(r"100 images per class: \+1.0 ± 12.\d points, within the error", text)
    assert (tmp_path / "transfer.png").stat().st_size > 10_000
    # Twice as many test images.
    _, margin, _ = generate_transfer._difference([{**row, "test_images": row["seed"]} for row in rows], "digits", 10)
    assert margin == pytest.approx(15.4, abs=0.1)


def test_the_pages_are_of_finished_runs():
    manifest = json.loads((generate_study.PAGE.parents[1] / "saved_models" / "manifest.json").read_text())
    text = generate_study.PAGE.read_text()
    assert [name for name in manifest if f"| {name} |" not in text] == []


def test_the_smallest_network_that_is_as_accurate_answers():
    def row(name, family, top1, cost):
        return {"name": name, "family": family, "top1": top1, "params": cost, "madds": cost, "latency_ms": cost}

    sizes = [("ReXNet-alpha=1.0", 78.0, 3.0), ("ReXNet-alpha=0.9", 77.0, 2.0), ("ReXNet-alpha=0.6", 74.0, 1.0)]
    ours = [row(name, "rexnet", top1, cost) for name, top1, cost in sizes]
    rivals = [row(f"keras:EfficientNetB{n}", "efficientnet", 76.5 + 2 * n, 4.0 + n) for n in range(2)]
    first, second = generate_scaling.answers([*ours, *reversed(rivals)])
    assert first.startswith("EfficientNetB0: ReXNet 0.9 (+0.5 points) takes 0.50 of the parameters, ")
    assert second.startswith("EfficientNetB1: none. ReXNet 1.0 is 0.5 points below it and takes 0.60 of the parameters")
