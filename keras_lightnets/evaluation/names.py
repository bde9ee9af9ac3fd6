"""Names beside the points of a picture, none of which covers another name, a point or the legend."""

# Where a name may stand, in points from its own point: near places first. To the left it ends there.
_SPOTS = [
    (side * 5.0, scale * height) for scale in (1, 3, 6, 10, 15) for height in (-6.0, 6.0, 0.0) for side in (1, -1)
]
_SPOTS += [(side * 40.0, height) for height in (-20.0, 20.0, -40.0, 40.0, -70.0, 70.0) for side in (1, -1)]
# Half of the side of the square that a point takes, in pixels.
_POINT = 4


def name_points(axes, names, places):
    """Writes names beside points. `place_names` gives them their room once the picture is complete.

    Args:
        axes: matplotlib `Axes`.
        names: list of str.
        places: list of pairs, the points, in the order in which they choose their room.
    """
    for name, place in zip(names, places, strict=True):
        axes.annotate(name, place, (0, 0), textcoords="offset points", fontsize="xx-small", va="center")


def place_names(figure):
    """Moves the names of `name_points` to where there is room, and hides those that find none.

    Args:
        figure: matplotlib `Figure`. Nothing may be drawn into it afterwards.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(figure).get_renderer()
    # The panels get their last size, and keep it.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        legend = axes.get_legend()
        taken = [legend.get_window_extent(renderer)] if legend else []
        for line in axes.lines:
            taken += [
                Bbox.from_extents(x, y, x, y).padded(_POINT)
                for x, y in line.get_transform().transform(line.get_xydata())
            ]
        for name in axes.texts:
            spot = next((spot for spot in _SPOTS if _fits(name, spot, axes, taken, renderer)), None)
            if spot is None:
                name.set_visible(False)
                continue
            taken.append(name.get_window_extent(renderer))
            if max(map(abs, spot)) > 10:
                axes.annotate(
                    "",
                    name.xy,
                    spot,
                    textcoords="offset points",
                    arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.5},
                )


def _fits(name, spot, axes, taken, renderer):
    name.set(position=spot, horizontalalignment="left" if spot[0] > 0 else "right")
    box = name.get_window_extent(renderer)
    inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
    return inside and not any(box.overlaps(other) for other in taken)
