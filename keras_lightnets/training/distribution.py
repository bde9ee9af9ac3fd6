"""One device or many, on one machine or several, by tf.distribute."""

import json
import os
import socket
import time
from typing import NamedTuple

import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.training.slurm import check_addresses, slurm_cluster


class WorkerLostError(UserError):
    """Another worker went away in the middle of a run."""


class Distribution(NamedTuple):
    """How a run is spread.

    Attributes:
        name: "none", "mirrored", "multiworker" or "tpu".
        strategy: `tf.distribute.Strategy`.
        workers: int, number of processes.
        worker: int, number of this process. 0 is the chief, which alone writes the files of the run.
    """

    name: str
    strategy: tf.distribute.Strategy
    workers: int = 1
    worker: int = 0

    @property
    def chief(self):
        """Whether this process writes the files."""
        return self.worker == 0

    @property
    def replicas(self):
        """Number of devices over all workers."""
        return self.strategy.num_replicas_in_sync

    def check_batch(self, batch_size):
        """Raises a UserError unless the batch can be divided evenly."""
        if batch_size % self.replicas:
            raise UserError(f"A batch of {batch_size} cannot be divided evenly among {self.replicas} replicas.")

    def dataset(self, make, batch_size):
        """Returns the batches for `model.fit`.

        Args:
            make: function of the arguments `pipelines`, `pipeline` and `batch_size` that returns a `tf.data.Dataset`.
            batch_size: int, images per step on all replicas together.
        """
        if self.replicas == 1:
            return make(pipelines=1, pipeline=0, batch_size=batch_size)
        return self.strategy.distribute_datasets_from_function(
            lambda context: make(
                pipelines=context.num_input_pipelines,
                pipeline=context.input_pipeline_id,
                batch_size=context.get_per_replica_batch_size(batch_size),
            )
        )

    def trainee(self, model):
        """Returns what `fit` is called on: the model, or for several workers another around its layers."""
        if self.workers == 1:
            return model
        # A class of its own, as a detector's class has its loss.
        kind = type(f"_MultiWorker{type(model).__name__}", (_MultiWorker, type(model)), {})
        return kind(model.input, model.output, name=model.name)


class _MultiWorker:
    """What a model needs so that `fit` trains it on several workers (https://github.com/keras-team/keras/issues/20585).

    It is made outside the scope of the strategy, which skips a symbolic build that fails there. Its numbers have one
    dimension, so that Keras can reduce over dimension 0.
    """

    def train_step(self, data):
        return {name: tf.reshape(value, (1,)) for name, value in super().train_step(data).items()}

    def test_step(self, data):
        return {name: tf.reshape(value, (1,)) for name, value in super().test_step(data).items()}


def distribute(name="auto", worker_timeout=300):
    """Returns the `Distribution` of a strategy.

    Args:
        name: "none" is one device, and "tpu" a TPU. "mirrored" is every GPU, or every logical CPU, of this machine.
            "multiworker" is the workers of TF_CONFIG or the tasks of a Slurm job step, each with all the GPUs that it
            sees. "auto" chooses what fits. Defaults to "auto".
        worker_timeout: int, seconds to wait for every other worker. Defaults to 300.

    Raises:
        UserError: if the cluster is not described, is of another kind, or a worker does not come up.
    """
    cluster = _cluster()
    if name == "auto":
        if cluster is not None:
            name = "multiworker"
        elif "TPU_NAME" in os.environ:
            name = "tpu"
        else:
            name = "mirrored" if len(_devices()) > 1 else "none"
    if name == "multiworker":
        if cluster is None:
            raise UserError(
                "multiworker needs TF_CONFIG or a Slurm job with several tasks. To try it here: "
                "keras-lightnets launch --workers 2 -- train ..."
            )
        addresses, worker = cluster
        meet(addresses, worker, worker_timeout)
        return Distribution(name, tf.distribute.MultiWorkerMirroredStrategy(), len(addresses), worker)
    if name == "mirrored":
        return Distribution(name, tf.distribute.MirroredStrategy(_devices()))
    if name == "tpu":
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        except ValueError as error:
            raise UserError(f"No TPU was found: {error}") from error
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return Distribution(name, tf.distribute.TPUStrategy(resolver))
    return Distribution("none", tf.distribute.get_strategy())


def _devices():
    return [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]


def _cluster():
    """Returns the addresses of the workers and the number of this one, or None outside a cluster."""
    if "TF_CONFIG" not in os.environ:
        cluster = slurm_cluster()
        if cluster is None:
            return None
        addresses, worker = cluster
        # TensorFlow reads it.
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": worker}}
        )
    addresses, worker = _described(os.environ["TF_CONFIG"])
    return (addresses, worker) if len(addresses) > 1 else None


def _described(text):
    """Returns the addresses and the number of this worker in a TF_CONFIG."""
    try:
        content = json.loads(text)
        kinds, task = set(content.get("cluster", {})), content.get("task", {})
        if "ps" in kinds:
            raise UserError("TF_CONFIG describes parameter servers, which Keras 3 does not support: use workers only.")
        if kinds != {"worker"} or task.get("type") != "worker":
            raise UserError("TF_CONFIG must describe tasks of type 'worker' only; worker 0 is the chief.")
        addresses, worker = content["cluster"]["worker"], int(str(task["index"]))
        if not isinstance(addresses, list):
            raise TypeError("the workers are no list")
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(f"TF_CONFIG cannot be read ({error!r:.200}). Set or unset it.") from error
    check_addresses(addresses, "TF_CONFIG")
    if not 0 <= worker < len(addresses):
        raise UserError(f"TF_CONFIG: this is worker {worker}, but the cluster has {len(addresses)} workers.")
    return addresses, worker


def meet(addresses, worker, timeout):
    """Waits until every other worker listens at its address. TensorFlow would wait without end and name none.

    Args:
        addresses: list of "host:port", one per worker.
        worker: int, number of this one, which listens meanwhile.
        timeout: float, seconds.

    Raises:
        UserError: names the workers that did not come up.
    """
    deadline = time.monotonic() + timeout
    missing = {number for number in range(len(addresses)) if number != worker}
    own_port = int(addresses[worker].rpartition(":")[2])
    try:
        listener = socket.create_server(("", own_port), backlog=len(addresses))
    except OSError as error:
        raise UserError(f"Worker {worker} cannot listen at {addresses[worker]}: {error.strerror}.") from error
    with listener:
        while missing:
            for number in sorted(missing):
                host, _, port = addresses[number].rpartition(":")
                try:
                    socket.create_connection((host, int(port)), timeout=1).close()
                    missing.discard(number)
                # A name that no address can have is a ValueError.
                except (OSError, ValueError):
                    pass
            if missing and time.monotonic() > deadline:
                names = ", ".join(f"worker {number} ({addresses[number]})" for number in sorted(missing))
                raise UserError(f"{names} did not come up within {timeout:g} seconds.")
            if missing:
                time.sleep(0.1)
