"""What a channel search found: the ranking, the paper's groups, and whether straight lines win."""

from pathlib import Path

import numpy as np

from keras_lightnets.design.correlation import rank_correlation
from keras_lightnets.files import replacing, write_csv, write_json

_SHARE = 0.1


def report(output, settings, results, costs, network):
    """Ranks the candidates of a search and writes `search.json`, `candidates.csv`, `groups.md` and `channels.png`.

    Args:
        output: str or Path of the folder.
        settings: dict of JSON values.
        results: dict from channels to the dict that `Trials.run` gives.
        costs: dict from channels to their `Cost`.
        network: dict of the arguments of `BottleneckNet` that all candidates share.

    Returns:
        The report, as `channel_search` describes it.
    """
    rows = [_row(channels, result, costs[channels]) for channels, result in results.items()]
    # Equal accuracies are ranked by channels, so that the order of training does not matter.
    rows.sort(key=lambda row: (-row["accuracy"], row["channels"]))
    count = max(1, round(_SHARE * len(rows)))
    parts = {"top": rows[:count], "middle": rows[len(rows) // 2 :][:count], "bottom": rows[-count:]}
    best = {"channels": list(rows[0]["channels"]), **network}
    best |= {"input_shape": (settings["size"], settings["size"], 3)}
    content = {
        "settings": settings,
        "candidates": rows,
        "groups": {name: _group(part) for name, part in parts.items()},
        "spread": {
            "between_networks": float(np.std([row["accuracy"] for row in rows], ddof=1)),
            "between_seeds": float(np.sqrt(np.mean([row["std"] ** 2 for row in rows]))),
        },
        "correlations": {
            name: rank_correlation([row["accuracy"] for row in rows], [row[name] for row in rows])
            for name in ("bend", "nuclear_norm", "params", "madds")
        },
        "best": f"keras_lightnets.design.BottleneckNet({', '.join(f'{k}={v!r}' for k, v in best.items())})",
    }
    output = Path(output)
    write_json(output / "search.json", content)
    write_csv(output / "candidates.csv", [{**row, "channels": "-".join(map(str, row["channels"]))} for row in rows])
    with replacing(output / "groups.md") as temporary:
        temporary.write_text(_markdown(content))
    _draw(content, output / "channels.png")
    return content


def _row(channels, result, cost):
    blocks = np.arange(len(channels))
    line = np.polyval(np.polyfit(blocks, channels, 1), blocks)
    return {
        "channels": channels,
        "accuracy": float(np.mean(result["accuracy"])),
        "std": float(np.std(result["accuracy"], ddof=min(1, len(result["accuracy"]) - 1))),
        "nuclear_norm": float(np.mean(result["nuclear_norm"])),
        "params": cost.params,
        "madds": cost.madds,
        "bend": float(np.sqrt(np.mean((channels - line) ** 2)) / np.mean(channels)),
    }


def _group(rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    means = {name: float(np.mean(columns[name])) for name in ("accuracy", "params", "madds", "nuclear_norm", "bend")}
    spreads = {f"{name}_std": float(np.std(columns[name])) for name in ("accuracy", "madds")}
    if len(rows) == 1:
        spreads["accuracy_std"] = rows[0]["std"]
    return {
        "networks": len(rows),
        **means,
        **spreads,
        "channels": np.mean(columns["channels"], axis=0).tolist(),
        "channels_std": np.std(columns["channels"], axis=0).tolist(),
    }


def _markdown(content):
    lines = [
        "| group | networks | accuracy, % | parameters | MAdds, millions | mean channels |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, group in content["groups"].items():
        lines.append(
            f"| {name} {_SHARE:.0%} | {group['networks']} | {100 * group['accuracy']:.1f} ± "
            f"{100 * group['accuracy_std']:.1f} | {group['params'] / 1e6:.3f} M | {group['madds'] / 1e6:.2f} ± "
            f"{group['madds_std'] / 1e6:.2f} | {'-'.join(f'{width:.0f}' for width in group['channels'])} |"
        )
    return "\n".join(lines) + "\n"


def _draw(content, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    curves, scatter = figure.subplots(1, 2)
    for name, group in content["groups"].items():
        mean, spread = np.array(group["channels"]), np.array(group["channels_std"])
        blocks = np.arange(1, len(mean) + 1)
        (line,) = curves.plot(blocks, mean, "o-", label=f"{name} {_SHARE:.0%}: {group['accuracy']:.1%}")
        curves.fill_between(blocks, mean - spread, mean + spread, color=line.get_color(), alpha=0.2)
    curves.set(xlabel="block", ylabel="channels, mean and standard deviation", xticks=blocks)
    curves.legend()
    rows = content["candidates"]
    scatter.errorbar(
        [row["bend"] for row in rows],
        [100 * row["accuracy"] for row in rows],
        [100 * row["std"] for row in rows],
        fmt="o",
        markersize=4,
        elinewidth=0.5,
    )
    scatter.set(xlabel="distance of the channels from a straight line / their mean", ylabel="accuracy, %")
    scatter.set_title(f"rank correlation {content['correlations']['bend']:+.2f}")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
