"""A Flotilla of its own for a test: the real program, a free port, an empty data folder."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import unittest

import gguf

STARTER = "smollm2:135m"
CALLING = "calling:135m"


def models_dir():
    """Where the starter model lies: the settings of the program, then the user's data folder."""
    if folder := os.environ.get("MODELS_DIR"):
        return folder
    data = os.environ.get("DATA_DIR")
    share = os.environ.get("XDG_DATA_HOME", pathlib.Path.home() / ".local/share")
    return str(pathlib.Path(data or pathlib.Path(share, "flotilla"), "models"))


@contextlib.contextmanager
def scripted(text, **settings):
    """A server that answers every chat with these words."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "script.txt")
        script.write_text(text)
        with serve(**{"SCRIPT": str(script), "SCRIPT_DELAY_MS": "0"} | settings) as url:
            yield url


@contextlib.contextmanager
def serve_calling(**settings):
    """A server with the starter model under a template that knows functions, as `calling:135m`."""
    with tempfile.TemporaryDirectory() as folder:
        gguf.write_with_template(pathlib.Path(models_dir(), "smollm2/135m.gguf"), pathlib.Path(folder, "calling/135m.gguf"))
        with serve(MODELS_DIR=folder, **settings) as url:
            yield url


@contextlib.contextmanager
def serve(**settings):
    """Start a server with these settings and yield its URL; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        # The starter model as it was fetched, without the weights that `flotilla optimize` may have put beside it.
        place = pathlib.Path(folder, "models/smollm2/135m.gguf")
        place.parent.mkdir(parents=True)
        place.symlink_to(pathlib.Path(models_dir(), "smollm2/135m.gguf"))
        environment = {"PATH": os.environ["PATH"], "HOME": folder}
        environment |= {"DATA_DIR": folder, "LISTEN_ADDR": "127.0.0.1:0"} | settings
        with open(pathlib.Path(folder, "log"), "w+") as log:
            program = subprocess.Popen(
                [os.environ["FLOTILLA_BIN"], "serve"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
            try:
                line = program.stdout.readline()
                if not line.startswith("listening on "):
                    log.seek(0)
                    raise RuntimeError(f"the server did not start:\n{log.read()}")
                yield line.removeprefix("listening on ").strip()
            finally:
                program.terminate()
                program.wait(timeout=60)
                program.stdout.close()


def main():
    """Run the tests of the program that calls this, and close with the line that CI reads."""
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    raise SystemExit(failed > 0)
