#!/usr/bin/env bash
# Flotilla beside Ollama, which is built from its Go module where none is installed. Arguments go to `flotilla-bench ollama`.
source "$(dirname "$0")/env.sh"

VERSION=0.12.6

# By itself Go compiles llama.cpp for any x86-64; this is for all instructions of this machine, as Ollama's own releases choose
# theirs. Go modules leave out folders called `vendor`: the headers that are missed are those of our own llama.cpp.
build_ollama() {
  local manifest headers module=github.com/ollama/ollama fast='-O3 -march=native'
  manifest=$(cargo metadata --locked --format-version 1 |
    python3 -c 'import json, sys; print(*(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "llama-cpp-sys-2"))')
  headers=$(dirname "$manifest")/llama.cpp/vendor
  GOBIN=$1 CGO_CPPFLAGS="-I$headers" CGO_CFLAGS=$fast CGO_CXXFLAGS=$fast \
    go install -ldflags "-X $module/version.Version=$VERSION" "$module@v$VERSION"
}

if ! command -v ollama >/dev/null; then
  command -v go >/dev/null || give_up 'There is neither Ollama nor Go: install one of them.'
  folder=$CACHE/ollama-$VERSION
  [[ -x $folder/ollama ]] || build_ollama "$folder"
  PATH=$PATH:$folder
fi

exec "$TARGET/release/flotilla-bench" ollama "$@"
