"""Training steps on a GPU, on JAX and PyTorch, without TensorFlow: python -m benchmarks.gpu_training.

Each network stands against its port to stock layers, keras.applications' MobileNetV2(0.35) and, with `--authors
NAME=CLONE`, the authors' PyTorch code, eager and compiled. A process builds two networks, compiles them, waits for the
GPU and times them in turns. Every pair is written as soon as it is measured, and the same command goes on with those
that are missing; `--output FILE` starts afresh. A CPU serves to try it: --size 32 --batch 2 --rounds 2.
"""

import argparse
import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from tools.timing import RESULTS, in_turns, ratio, report, shown

NETWORKS = ("MicroNetM0", "MicroNetM2", "ShuffleNet", "ReXNet")
STOCK, BASELINE, EAGER, COMPILED = "stock layers", "MobileNetV2(0.35)", "authors, eager", "authors, compiled"
COLUMNS = ["network", "backend", "rival", "ours, best ms", "rival, best ms", "times the speed of the rival"]


def measure(name, rival, clone, options):
    """Times a network and its rival on the backend of this process, and appends the row to the output."""
    import keras

    from benchmarks.steps import keras_step, torch_step
    from tools.naive import naive_port
    from tools.networks import KERAS, OURS, authors_network

    shape = {"weights": None, "input_shape": (options.size, options.size, 3)}
    model = OURS[name](**shape)
    runs = {"ours": keras_step(model, options.batch)}
    if rival == STOCK:
        runs["rival"] = keras_step(naive_port(model), options.batch)
    elif rival == BASELINE:
        runs["rival"] = keras_step(KERAS[f"keras {BASELINE}"](**shape), options.batch)
    else:
        network, compiled = authors_network(name, clone), rival == COMPILED
        runs["rival"] = torch_step(network, options.size, options.batch, _torch_device(), compiled)
    for run in runs.values():
        run()
    with options.output.open("a") as file:
        # One process at a time has the GPU for itself. Others compile meanwhile.
        fcntl.flock(file, fcntl.LOCK_EX)
        times = in_turns(runs, options.rounds, settle=1)
        best = [f"{min(times[run]):.2f}" for run in ("ours", "rival")]
        row = [name, keras.backend.backend(), rival, *best, shown(ratio(times, "ours", "rival"))]
        file.write(json.dumps({"setting": _setting(options), "device": _device(), "row": row}) + "\n")


def _device():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _torch_device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _setting(options):
    return f"{options.size}x{options.size}, batch {options.batch}"


def _measured(options):
    """Returns the lines of the output that belong to these settings."""
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    return [line for line in map(json.loads, lines) if line["setting"] == _setting(options)]


def _run(backend, name, rival):
    """Measures a pair in a process of its own, and says what went wrong if it fails."""
    # JAX leaves memory to PyTorch, whose code may stand beside it.
    environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-m", "benchmarks.gpu_training", *sys.argv[1:], "--pair", name, rival]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    outcome = "done" if result.returncode == 0 else (result.stderr.strip() or "killed").splitlines()[-1]
    print(f"{backend}, {name} and {rival}: {outcome}", flush=True)


def main():
    """Measures what is missing, pair by pair, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS, metavar="NAME")
    parser.add_argument("--backends", nargs="+", default=["jax", "torch"], choices=["jax", "torch"])
    parser.add_argument("--rivals", nargs="+", default=[STOCK, BASELINE], choices=[STOCK, BASELINE], metavar="RIVAL")
    parser.add_argument("--authors", nargs="+", default=[], metavar="NAME=CLONE")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="processes that compile at a time")
    parser.add_argument("--output", type=Path, default=RESULTS / "gpu_training.jsonl")
    parser.add_argument("--pair", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    clones = dict(pair.split("=", 1) for pair in options.authors)
    if options.pair:
        measure(*options.pair, clones.get(options.pair[0]), options)
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    pairs = list(product(options.backends, options.networks, options.rivals))
    pairs += product(options.backends, clones, (EAGER, COMPILED))
    known = {(backend, name, rival) for name, backend, rival, *_ in (line["row"] for line in _measured(options))}
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(_run, *zip(*(pair for pair in pairs if pair not in known), strict=True)))
    if lines := _measured(options):
        note = f"Training step on {lines[-1]['device']}, {_setting(options)}, by SGD"
        report(options.output.stem, note, COLUMNS, sorted(line["row"] for line in lines))


if __name__ == "__main__":
    main()
