#!/usr/bin/env bash
# Makes the images flotilla-backend and flotilla-frontend, with the workspace's version as their tag, and prints their sizes.
#   images.sh build      everything from source, inside Docker
#   images.sh assemble   from what `make build` and `make model` left here, or from the program that FLOTILLA_BIN names
#   images.sh names      prints their names and makes nothing
# DOCKER_BUILD_FLAGS go to each `docker build`, for example --network=host where containers reach no registry otherwise.
source "$(dirname "$0")/env.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
backend=flotilla-backend:$version
frontend=flotilla-frontend:$version

build() { # build IMAGE ARGUMENT… CONTEXT
  local flags
  read -ra flags <<<"${DOCKER_BUILD_FLAGS:-}"
  say "Building $1"
  docker build "${flags[@]}" --tag "$@" >&2
}

assemble() {
  local program=${FLOTILLA_BIN:-$TARGET/release/flotilla} context
  [[ -x $program && -f src-ui/dist/index.html ]] || give_up "$program or src-ui/dist is missing: run make build."
  [[ -f $STARTER_MODEL ]] || give_up "$STARTER_MODEL is missing: run make model."
  context=$(mktemp -d)
  # shellcheck disable=SC2064 # The folder is known now and not at the end.
  trap "rm -rf '$context'" EXIT
  # Laid out like the images. strip writes a copy; what `make build` left keeps its symbols.
  mkdir -p "$context/backend/usr/local/bin" "$context/backend/models/smollm2"
  say "$program uses all instructions of this machine's processor, so $backend is for machines like this one; make images is for all"
  strip -o "$context/backend/usr/local/bin/flotilla" "$program"
  cp "$STARTER_MODEL" "$context/backend/models/smollm2/135m.gguf"
  mkdir -p "$context/frontend/usr/share/nginx" "$context/frontend/etc/nginx"
  cp -R src-ui/dist "$context/frontend/usr/share/nginx/html"
  cp src-ui/nginx.conf "$context/frontend/etc/nginx/nginx.conf"
  chmod -R u=rwX,go=rX "$context"
  build "$backend" --file server/Dockerfile --target prebuilt "$context/backend"
  build "$frontend" --file src-ui/Dockerfile --target prebuilt "$context/frontend"
}

sizes() {
  docker image inspect --format '{{index .RepoTags 0}} {{.Size}}' "$backend" "$frontend" |
    awk '{ printf "%-28s %4.0f MB\n", $1, $2 / 1e6 }'
}

case ${1:-} in
  build)
    build "$backend" --file server/Dockerfile .
    build "$frontend" src-ui
    sizes
    ;;
  assemble) assemble && sizes ;;
  names) echo "$backend $frontend" ;;
  *) give_up 'Usage: scripts/images.sh build|assemble|names' ;;
esac
