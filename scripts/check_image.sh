#!/usr/bin/env bash
# Tests an image, as `skaffold test` does: runs it like the pods of the manifests, asks for its name, and stops it.
#   scripts/check_image.sh IMAGE frontend|webapp|logic|feedback|loadgen
set -euo pipefail

image=$1 part=$2
hardened=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --network none)
stop() { printf 'check_image: %s: %s\n' "$part" "$*" >&2; exit 1; }

user=$(docker image inspect --format '{{.Config.User}}' "$image")
[[ $user == 10001:10001 ]] || stop "the image's user is \"$user\", expected 10001:10001"

if [[ $part == loadgen ]]; then
  listed=$(docker run --rm "${hardened[@]}" "$image" prove)
  [[ $'\n'$listed == *$'\ncanary '* ]] || stop "\`prove\` does not list the scenario canary"
  exit
fi

data=()
[[ $part != feedback ]] || data=(--tmpfs "/var/lib/feedback:uid=10001,gid=10001" --env DATA_DIR=/var/lib/feedback)
container=$(docker run --detach "${hardened[@]}" "${data[@]}" "$image")
trap 'docker rm --force "$container" >/dev/null' EXIT
ask='import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}").read().decode())'
get() { docker exec "$container" python -c "$ask" "$1" 2>/dev/null; }

for _ in {1..40}; do
  get 8080/readyz >/dev/null && break
  [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]] || { docker logs "$container" >&2; stop "it does not keep running"; }
  sleep 0.25
done
# No pipe into grep -q, which may end before docker has written everything; with pipefail that is a failure.
[[ $(get 8080/about) == *"\"service\":\"$part\""* ]] || stop "/about does not name the service $part"
[[ $(get 9102/metrics) == *sentimesh_service_info* ]] || stop "there are no metrics on port 9102"
[[ $(get 9102/livez) == *alive* ]] || stop "/livez on port 9102 does not answer \"alive\""
docker stop --timeout 30 "$container" >/dev/null
status=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[[ $status == 0 ]] || stop "it exits with status $status on SIGTERM, expected 0"
