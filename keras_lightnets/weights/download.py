"""Downloads that are whole and checked, or absent.

Files go to Keras' cache, `$KERAS_HOME/models` or `~/.keras/models`, or `/tmp/.keras/models` where the home cannot be
written. There are two environment variables:

* `KERAS_LIGHTNETS_MIRROR` is an address that serves `<mirror>/<host>/<path>` in place of `https://<host>/<path>`.
* `KERAS_LIGHTNETS_OFFLINE=1` takes files from the cache only and opens no connection.
"""

import contextlib
import hashlib
import http.client
import os
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import rich.console
import rich.progress

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers import MissingExtra, packed_bytes, read
from keras_lightnets.weights.records import shipped

ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt, doubled before each further one
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes


def cached(record):
    """Returns the path of a record's file in the cache or the package, whether it is there or not."""
    if record.shipped:
        return shipped.FOLDER / record.file
    # Keras itself looks in the first folder for the files of keras.applications.
    place = Path("models") if record.name.startswith("keras/") else Path("models", "keras_lightnets")
    path = _configured() / place / record.file
    return path if path.exists() else home() / place / record.file


def home():
    """Returns the folder of Keras' files, made if need be. If it cannot be written, `/tmp/.keras`, as in Keras."""
    folder = _configured()
    with contextlib.suppress(OSError):
        folder.mkdir(parents="KERAS_HOME" in os.environ, exist_ok=True)
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else Path("/tmp/.keras")


def _configured():
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))


def fetch(record):
    """Returns the path of a record's file, downloaded unless it is in the cache.

    Args:
        record: `WeightRecord` that is shipped or has at least one address.

    Raises:
        UserError: if the file cannot be had, or is not the one that the publisher describes.
    """
    path = cached(record)
    if record.shipped:
        called = f"{path} of the weights {record.name!r}"
        if complaint := check(path, record, called) if path.exists() else f"The weights file {called} is missing":
            raise UserError(f"{complaint}: install keras_lightnets again.")
        return path
    if path.exists():
        if not (complaint := check(path, record)):
            return path
        # A file that was damaged since.
        if offline():
            raise UserError(f"{complaint}. Delete this file from the cache and download it again.")
    if offline():
        raise UserError(
            f"The weights {record.name!r} are not in the cache and KERAS_LIGHTNETS_OFFLINE is set: unset it, or get "
            f"{record.urls[0]} and store it as {path}."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot make the cache {path.parent} ({error.strerror}): set KERAS_HOME to a folder that can be written."
        ) from error
    failures = []
    for url in map(_mirrored, record.urls):
        try:
            _download(url, path, record)
            return path
        except UserError as error:
            failures.append(str(error))
    raise UserError(
        f"The weights {record.name!r} cannot be downloaded: {'; '.join(failures)}. Get the file yourself (see "
        f"{record.page}) and pass its path as `weights`, or set KERAS_LIGHTNETS_MIRROR to a mirror."
    )


def offline():
    """Whether the environment forbids connections."""
    return os.environ.get("KERAS_LIGHTNETS_OFFLINE", "").lower() not in ("", "0", "false")


def _mirrored(url):
    if not (mirror := os.environ.get("KERAS_LIGHTNETS_MIRROR")):
        return url
    parts = urllib.parse.urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"


def _download(url, path, record):
    """Downloads to a folder of its own beside `path`, checks, and renames: other processes see whole files only."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
                partial = Path(folder) / record.file
                _stream(url, partial)
                if not (reason := check(partial, record, called=f"at {url}")):
                    os.replace(partial, path)
                    return
                passing = True
        except (OSError, http.client.HTTPException) as error:
            reason, passing = f"URL fetch failure on {url}: {_said(error)}", _is_passing(error)
        if attempt == ATTEMPTS or not passing:
            raise UserError(f"{reason} (attempt {attempt} of {ATTEMPTS})")
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _stream(url, path):
    """Writes what an address serves to a file, with its progress on standard error."""
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT) as answer,
        path.open("wb") as file,
        rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn(),
            rich.progress.TimeRemainingColumn(),
            console=rich.console.Console(stderr=True),
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress,
    ):
        size = getattr(answer, "length", None)
        task = progress.add_task(path.name, total=size)
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            progress.advance(task, len(chunk))
    if size and path.stat().st_size < size:
        raise urllib.error.ContentTooShortError(f"got only {path.stat().st_size} out of {size} bytes", None)


def _said(error):
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} -- {error.msg}"
    return str(getattr(error, "reason", error)) or type(error).__name__


def _is_passing(error):
    """Whether another attempt may do better."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    if isinstance(error, urllib.error.ContentTooShortError):
        return True
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, TimeoutError | ConnectionResetError)
    return isinstance(error, TimeoutError | ConnectionError | http.client.HTTPException)


def check(path, record, called=None):
    """Says how a file differs from what its publisher states, or why it holds no weights. Returns "" if all is well.

    Args:
        path: the file.
        record: its `WeightRecord`.
        called: what the text calls the file. Defaults to None: its path.
    """
    called = called or path
    size = os.path.getsize(path)
    if record.size is not None and size != record.size:
        return f"The weights file {called} has {size} bytes where the publisher has {record.size}"
    try:
        if record.digest is None:
            # Then at least it has to be one: networks that want a login answer with a page.
            read(path, called)
        content = packed_bytes(path, called) if record.format.endswith("in zip") else Path(path).read_bytes()
    except MissingExtra:
        return ""
    except UserError as error:
        return str(error)
    if record.wrong_digest and _is(content, record.wrong_digest):
        return f"The weights file {called} is that of another network ({record.wrong_digest})"
    if record.digest and not _is(content, record.digest):
        algorithm, expected = record.digest.split(":")
        found = hashlib.new(algorithm, content).hexdigest()
        return f"The weights file {called} has {algorithm} {found} where the publisher has {expected}"
    return ""


def _is(content, digest):
    """Whether a content has a digest, of which perhaps the first digits only are known."""
    algorithm, digits = digest.split(":")
    return hashlib.new(algorithm, content).hexdigest().startswith(digits)
