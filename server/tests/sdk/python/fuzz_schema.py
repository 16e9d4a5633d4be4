"""Schemathesis asks every path of the OpenAPI document for what it describes, and for much that it does not.

No request may end in a status of 500 or more, nor in one that the document does not name. The server recites a text, so that
the time goes into requests.
"""

import os
import subprocess
import sys
import tempfile

from flotilla import scripted

# Invented models are looked for at a port that nobody listens on, and not in the internet.
NOWHERE = {"OLLAMA_REGISTRY_URL": "http://127.0.0.1:9", "HUGGING_FACE_URL": "http://127.0.0.1:9"}
CHECKS = "not_a_server_error,status_code_conformance"


def main():
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    # It keeps files in the folder it runs in.
    with scripted("one two three", **NOWHERE) as url, tempfile.TemporaryDirectory() as folder:
        arguments = ["run", f"{url}/api/openapi.json", "--checks", CHECKS, "--max-examples", "25", "--seed", "1"]
        # What a stateful phase links together is tested by name elsewhere.
        arguments += ["--phases", "examples,coverage,fuzzing", "--workers", "2", "--request-timeout", "20"]
        status = subprocess.run([program, *arguments], cwd=folder).returncode
    print(f"{int(status == 0)} passed, {int(status != 0)} failed")
    raise SystemExit(status)


if __name__ == "__main__":
    main()
