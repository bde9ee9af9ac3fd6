"""What `complexity` returns, and how it is written down."""

import csv
import io
import json
from typing import NamedTuple


class LayerCost(NamedTuple):
    """Cost of one call of a layer, at batch 1.

    Attributes:
        name: str. The name of a nested model comes before the names of its layers.
        kind: str, its class.
        output_shape: tuple.
        params: int, trainable parameters. 0 for a further call of the same layer.
        madds: int, multiply-adds of convolutions and dense products.
        mix_madds: int, multiplies of pixels by coefficients in Dynamic Shift-Max.
        part: str, of the network: "stem", "depthwise", "1x1", "grouped 1x1", "convolution", "grouped convolution",
            "separable", "dense", "shift-max", "squeeze-excite", "head", "normalization", "other", "unknown", or empty
            for a layer without weights.
        activations: int, numbers in its outputs.
        bytes_moved: int, bytes read and written, in float32.
        memory: int, bytes of all activations kept while it runs, in float32.
        milliseconds: float or None, measured by `keras-lightnets profile --measure`.
    """

    name: str
    kind: str
    output_shape: tuple
    params: int
    madds: int
    mix_madds: int
    part: str
    activations: int
    bytes_moved: int
    memory: int
    milliseconds: float | None = None

    @property
    def intensity(self):
        """Multiply-adds per byte moved, or None where nothing is moved."""
        return (self.madds + self.mix_madds) / self.bytes_moved if self.bytes_moved else None


class PartCost(NamedTuple):
    """Sum over the layers of one part, as `LayerCost` has it."""

    params: int
    madds: int
    mix_madds: int
    activations: int
    bytes_moved: int
    milliseconds: float | None


class Complexity(NamedTuple):
    """Cost of a model at batch 1.

    Attributes:
        params: int, trainable parameters.
        non_trainable_params: int, other numbers, such as the statistics of batch normalisation.
        madds: int, multiply-adds of convolutions and dense products.
        mix_madds: int, multiplies of pixels by coefficients in Dynamic Shift-Max.
        layers: tuple of `LayerCost`, one for every call of a layer, in the order of the calls.
        name: str, of the model.
        peak_memory: int, bytes of the activations at the layer that has most of them, in float32.
        unknown: tuple of the names of the layers whose multiply-adds are not counted.
    """

    params: int
    non_trainable_params: int
    madds: int
    mix_madds: int
    layers: tuple[LayerCost, ...]
    name: str
    peak_memory: int
    unknown: tuple[str, ...]

    @property
    def activations(self):
        """Numbers that the layers with multiply-adds write (Radosavovic et al., CVPR 2020)."""
        return sum(layer.activations for layer in self.layers if layer.madds)

    @property
    def bytes_moved(self):
        """Bytes that all layers read and write, in float32."""
        return sum(layer.bytes_moved for layer in self.layers)

    @property
    def intensity(self):
        """Multiply-adds per byte moved. 0 where nothing is moved."""
        return (self.madds + self.mix_madds) / self.bytes_moved if self.bytes_moved else 0.0

    @property
    def parts(self):
        """Dict from part to `PartCost`, in the order of the network. Empty for layers without weights."""
        totals = {}
        for layer in self.layers:
            total = totals.setdefault(layer.part, PartCost(0, 0, 0, 0, 0, None))
            sums = {name: _plus(value, getattr(layer, name)) for name, value in total._asdict().items()}
            totals[layer.part] = PartCost(**sums)
        return totals

    def summary(self):
        """Returns the sums as a sentence."""
        mix = f" and {self.mix_madds:,} of Dynamic Shift-Max" if self.mix_madds else ""
        text = (
            f"{self.params:,} parameters, {self.madds:,} multiply-adds{mix}, {self.activations:,} activations, "
            f"{self.peak_memory / 1e6:.2f} MB of activations at a time, {self.bytes_moved / 1e6:.2f} MB moved, "
            f"{self.intensity:.2f} multiply-adds per byte (batch 1, float32)."
        )
        unknown = f" Not counted, because they are unknown: {', '.join(self.unknown)}." if self.unknown else ""
        return text + unknown

    def to_markdown(self):
        """Returns the sums, the parts and the layers as Markdown tables."""
        parts = [
            (part or "without weights", *(_text(*item) for item in total._asdict().items()))
            for part, total in self.parts.items()
        ]
        layers = [tuple(_text(name, value) for name, value in _row(layer).items()) for layer in self.layers]
        tables = _table(("part", *PartCost._fields), parts), _table(_ROW, layers)
        return "\n\n".join([f"# {self.name}", self.summary(), *tables]) + "\n"

    def to_csv(self):
        """Returns the layers as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _ROW, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(layer) for layer in self.layers)
        return text.getvalue()

    def to_json(self):
        """Returns everything as JSON."""
        names = ("name", "params", "non_trainable_params", "madds", "mix_madds", "activations", "bytes_moved")
        content = {name: getattr(self, name) for name in (*names, "intensity", "peak_memory", "unknown")}
        content["parts"] = {part: total._asdict() for part, total in self.parts.items()}
        content["layers"] = [_row(layer) for layer in self.layers]
        return json.dumps(content, indent=2)


_ROW = (*LayerCost._fields[:-1], "intensity", "milliseconds")


def _plus(total, value):
    """The sum, in which what was not measured is left out."""
    return total if value is None else (total or 0) + value


def _row(layer):
    # What is not known is not zero.
    unknown = dict.fromkeys(("madds", "mix_madds", "intensity")) if layer.part == "unknown" else {}
    return {**{name: getattr(layer, name) for name in _ROW}, **unknown}


def _text(name, value):
    if value is None:
        return "?" if name in ("madds", "mix_madds") else ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(names, rows):
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
