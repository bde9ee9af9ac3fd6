"""Draws the start of MicroNet-M0 before and after fusing, docs/explanation/fusing.svg.

python -m tools.generate_fusing
"""

from xml.sax.saxutils import escape

import keras

import keras_lightnets
from keras_lightnets.graph import calls
from tools import DOCS

PICTURE = DOCS / "explanation" / "fusing.svg"
# The last layer that is drawn, in each graph.
LAST = {"before": "block1_last_shuffle", "after": "block1_last_act"}
_GONE = (keras.layers.BatchNormalization, keras.layers.ZeroPadding2D, keras_lightnets.layers.ChannelShuffle)
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 230, 34, 250, 50, 40
_BOX = (
    '<rect x="{x}" y="{y}" width="230" height="34" rx="5" fill="{colour}" stroke="#555"/>'
    '<text x="{middle}" y="{kind_y}" text-anchor="middle" font-weight="bold">{kind}</text>'
    '<text x="{middle}" y="{name_y}" text-anchor="middle" fill="#444">{name}</text>'
)


def nodes(model, last):
    """Returns a list of (layer, names of the layers that it reads), from the input to the layer called `last`."""
    found, givers = [], {}
    for call in calls(model):
        found.append((call.operation, [givers[id(x)] for x in call.inputs if id(x) in givers]))
        givers |= {id(x): call.operation.name for x in call.outputs}
        if call.operation.name == last:
            return found
    raise ValueError(last)


def places(graph):
    """Returns a dict from the names of layers to (column, row); a layer is below all that it reads."""
    rows, taken, found = {}, {}, {}
    for layer, sources in graph:
        row = 1 + max((rows[source] for source in sources), default=-1)
        rows[layer.name] = row
        found[layer.name] = (taken.get(row, 0), row)
        taken[row] = taken.get(row, 0) + 1
    return found


def _column(graph, left):
    """Returns the shapes of one graph, and its width and height in pixels."""
    where, lines = places(graph), []

    def corner(name):
        column, row = where[name]
        return left + column * _ACROSS, _MARGIN + row * _DOWN

    for layer, sources in graph:
        x, y = corner(layer.name)
        for source in sources:
            from_x, from_y = corner(source)
            start, end = (from_x + _WIDTH // 2, from_y + _HEIGHT), (x + _WIDTH // 2, y - 2)
            if end[1] - start[1] < _DOWN:
                path = f"M{start[0]} {start[1]}L{end[0]} {end[1]}"
            else:
                # Past the boxes in between.
                start, end = (from_x + _WIDTH, from_y + _HEIGHT // 2), (x + _WIDTH, y + _HEIGHT // 2)
                path = f"M{start[0]} {start[1]}C{start[0] + 60} {start[1]} {end[0] + 60} {end[1]} {end[0] + 2} {end[1]}"
            lines.append(f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#arrow)"/>')
    for layer, _ in graph:
        x, y = corner(layer.name)
        colour = "#ddd" if isinstance(layer, _GONE) else "#cfe3f7" if layer.weights else "#fbe3c5"
        kind, name = escape(type(layer).__name__), escape(layer.name)
        place = {"x": x, "y": y, "middle": x + _WIDTH // 2, "kind_y": y + 14, "name_y": y + 28}
        lines.append(_BOX.format(**place, colour=colour, kind=kind, name=name))
    columns, rows = (1 + max(place[axis] for place in where.values()) for axis in (0, 1))
    return lines, columns * _ACROSS, _MARGIN + rows * _DOWN


def picture():
    """Returns the text of the picture."""
    model = keras_lightnets.MicroNetM0(weights=None, input_shape=(224, 224, 3))
    graphs = {"before": nodes(model, LAST["before"]), "after": nodes(keras_lightnets.export.fuse(model), LAST["after"])}
    lines, left, bottom = [], 10, 0
    for title, graph in graphs.items():
        lines.append(f'<text x="{left}" y="24" font-size="16" font-weight="bold">{title}</text>')
        shapes, across, down = _column(graph, left)
        lines, left, bottom = lines + shapes, left + across + 60, max(bottom, down)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left} {bottom}" '
        'font-family="sans-serif" font-size="11">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs><rect width="{left}" height="{bottom}" fill="#fff"/>'
    )
    return "\n".join([head, *lines, "</svg>", ""])


def main():
    """Writes the picture."""
    PICTURE.write_text(picture(), "utf-8")


if __name__ == "__main__":
    main()
