"""Several workers on this machine, to try a distributed run before it goes to a cluster."""

import json
import os
import socket
import subprocess
import sys
import time

_RESTARTS = 3


def launch(workers, arguments):
    """Runs a `keras-lightnets` command in several processes that form a cluster on loopback.

    A worker that a signal ends is started again, as the manager of a cluster would do. A worker that fails ends all.

    Args:
        workers: int, number of processes.
        arguments: list of str, the command and its options.

    Returns:
        The exit status: 0, or the status of the worker that failed.
    """
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]

    def start(index):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return subprocess.Popen(
            [sys.executable, "-m", "keras_lightnets.cli.main", *arguments],
            env={**os.environ, "TF_CONFIG": json.dumps(config)},
        )

    processes, restarts = [start(index) for index in range(workers)], 0
    try:
        while True:
            codes = [process.poll() for process in processes]
            if failed := next((code for code in codes if code), 0):
                index = codes.index(failed)
                if failed > 0 or restarts == _RESTARTS:
                    return failed
                restarts += 1
                print(f"worker {index} was ended by signal {-failed}: starting it again", file=sys.stderr)
                processes[index] = start(index)
            elif None not in codes:
                return 0
            time.sleep(0.2)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _free_ports(count):
    # All at once, so that no two are the same.
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
