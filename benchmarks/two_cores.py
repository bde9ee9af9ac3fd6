"""Two cores for one training step: python -m benchmarks.two_cores.

TensorFlow splits each operator over the cores. That does not help where operators are small. Two other forms need no
environment variables. "side by side" runs whole operators on one thread each, two at a time. "two replicas" trains each
half of the batch on its own logical device of the CPU: batch normalisation then sees half batches. TensorFlow reads
these settings once, so each form has a process of its own. The processes take turns. Processor time holds on a busy
machine too; wall time needs two free cores.
"""

import argparse
import multiprocessing
import statistics
import time

from benchmarks.steps import keras_step
from tools.networks import BASELINE, KERAS, OURS
from tools.timing import ratio, report, shown

FORMS = ("default", "side by side", "two replicas")
NETWORKS = {BASELINE: KERAS[BASELINE], **{name: OURS[name] for name in OURS if name.startswith("MicroNet")}}


def strategy_of(form):
    """Sets TensorFlow up for one of `FORMS`, before its first operator; returns the `tf.distribute.Strategy`."""
    import tensorflow as tf

    if form == "side by side":
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(2)
    if form != "two replicas":
        return tf.distribute.get_strategy()
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def serve(pipe, name, form, size, batch):
    """Runs two steps whenever `pipe` asks, and sends the wall and processor milliseconds of the second."""
    with strategy_of(form).scope():
        step = keras_step(NETWORKS[name](weights=None, input_shape=(size, size, 3)), batch)
    step()
    pipe.send(None)
    while pipe.recv():
        step()
        wall, processor = time.perf_counter(), time.process_time()
        step()
        pipe.send((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)))


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    context, pipes = multiprocessing.get_context("spawn"), {}
    for case in [(name, form) for name in options.networks for form in FORMS]:
        pipes[case], end = context.Pipe()
        arguments = (end, *case, options.size, options.batch)
        context.Process(target=serve, args=arguments, daemon=True).start()
        pipes[case].recv()
    wall, processor = ({case: [] for case in pipes} for _ in range(2))
    for _ in range(options.rounds):
        for case, pipe in pipes.items():
            pipe.send(True)
            for times, value in zip((wall, processor), pipe.recv(), strict=True):
                times[case].append(value)
    for pipe in pipes.values():
        pipe.send(False)
    rows = []
    for case in pipes:
        default = (case[0], FORMS[0])
        rows.append(
            [
                *case,
                f"{statistics.median(wall[case]):.0f}",
                shown(ratio(wall, case, default)),
                shown(ratio(processor, default, case)),
            ]
        )
    columns = ["network", "form", "ms", "times the speed of the default", "of its processor time"]
    note = f"Two cores for a training step, {options.size}x{options.size}, batch {options.batch}"
    report("two_cores", note, columns, rows)


if __name__ == "__main__":
    main()
