"""A registry of models on loopback, as far as Ollama's library is asked for a file."""

import contextlib
import hashlib
import http.server
import json
import pathlib
import threading

MODEL_LAYER = "application/vnd.ollama.image.model"


@contextlib.contextmanager
def registry(path):
    """Serve the file at `path` as every model that there is, and yield the registry's URL."""
    file = pathlib.Path(path).read_bytes()
    digest = "sha256:" + hashlib.sha256(file).hexdigest()
    manifest = json.dumps({"layers": [{"mediaType": MODEL_LAYER, "digest": digest, "size": len(file)}]}).encode()

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = manifest if "/manifests/" in self.path else file
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                # Whoever asked for a part of the file has heard enough at some point.
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
