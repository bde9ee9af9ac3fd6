"""The workers of a Slurm job step, from the variables that Slurm sets for each of its tasks."""

import itertools
import math
import os
import re

from keras_lightnets.errors import UserError

_FIRST_PORT, _PORTS, _TASKS_PER_NODE = 20000, 10000, 20
# Tasks of a step. More are a mistake.
_MOST = 10_000


def slurm_cluster():
    """Returns the addresses of the tasks of this job step and the number of this one, or None outside of a step.

    Ports are decided by the number of the job. TensorFlow's own resolver wants nvidia-smi on every node, and sorts node
    names alphabetically, so with ten or more nodes tasks would get the wrong addresses.

    Raises:
        UserError: if the variables do not describe a job step.
    """
    try:
        if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) < 2:
            return None
        nodes = _expand(os.environ["SLURM_STEP_NODELIST"])
        tasks = _repeat(os.environ["SLURM_STEP_TASKS_PER_NODE"])
        worker, job = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_JOB_ID"])
        first = _FIRST_PORT + job * _TASKS_PER_NODE % _PORTS
        addresses = [
            f"{node}:{first + i}" for node, count in zip(nodes, tasks, strict=True) for i in range(min(count, _MOST))
        ]
        if not 0 <= worker < len(addresses) <= _MOST:
            raise ValueError(f"task {worker} of {len(addresses)}")
    except (KeyError, ValueError) as error:
        raise UserError(f"The SLURM_ variables of this job step cannot be read ({error}). Set TF_CONFIG.") from error
    check_addresses(addresses, "The SLURM_ variables")
    return addresses, worker


def check_addresses(addresses, origin):
    """Raises a UserError that names the first of some addresses that is not "host:port", or is there twice."""
    for number, address in enumerate(addresses):
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not re.fullmatch(r"[^\s:\0]+", host) or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise UserError(f"{origin}: the address of worker {number} must be HOST:PORT. Received: {address!r:.80}")
    if len(set(addresses)) < len(addresses):
        twice = max(addresses, key=addresses.count)
        raise UserError(f"{origin}: {twice} is the address of several workers. Each needs its own.")


def _expand(nodes):
    """Returns the names in a list such as "gpu[1-2,07],rack3"."""
    names, pattern = [], r"(?:\[[^][]*\]|[^][,])+"
    if not re.fullmatch(f"{pattern}(?:,{pattern})*", nodes):
        raise ValueError(f"nodes {nodes!r:.80}")
    for name in re.findall(pattern, nodes):
        parts = re.split(r"\[(.*?)\]", name)
        choices = [[part] if i % 2 == 0 else list(_range(part)) for i, part in enumerate(parts)]
        if math.prod(map(len, choices)) > _MOST:
            raise ValueError(f"{name} are too many nodes")
        names += ["".join(choice) for choice in itertools.product(*choices)]
    return names


def _range(numbers):
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), min(int(last or first), int(first) + _MOST) + 1):
            yield str(number).zfill(len(first))


def _repeat(counts):
    """Returns the numbers in a list such as "2(x3),1"."""
    pairs = [re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part) for part in counts.split(",")]
    if None in pairs:
        raise ValueError(f"tasks {counts!r:.80}")
    return [int(pair[1]) for pair in pairs for _ in range(min(int(pair[2] or 1), _MOST))]
