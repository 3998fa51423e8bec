# Prepares a terminal (bash or zsh) for the workshop; in the folder of the repository: . docs/workshop/shell.sh
# On a cluster, set GATEWAY to the URL of the ingress gateway first, and LOCALMESH_URL to that of `kubectl proxy`.
[ -z "$ZSH_VERSION" ] || setopt interactivecomments
export PATH="$PWD/.venv/bin:$PATH"
export GATEWAY="${GATEWAY:-http://127.0.0.1:8080}"
export LOCALMESH_URL="${LOCALMESH_URL:-http://127.0.0.1:7080}"

# sentence [TIMES] [OPTIONS OF CURL]
# Sends a sentence to the gateway, and prints the status, the duration, and the pods that answered.
sentence() {
  local times=1
  case "$1" in [0-9]*) times="$1"; shift ;; esac
  while [ "$times" -gt 0 ]; do
    times=$((times - 1))
    curl -s -D - -w '\nduration: %{time_total}\n' -H 'content-type: application/json' -d '{"sentence": "I like it"}' \
      "$@" "$GATEWAY/sentiment" | tr -d '\r' | awk '
      /^HTTP\// { status = $2 }
      tolower($1) == "served-by:" { served = substr($0, 12) }
      $1 == "duration:" { printf "%s  %.3f s  %s\n", status, $2, served ? served : "answered by a proxy, no pod" }'
  done
}

# service NAME [VARIABLE=VALUE…]
# Runs a service as a plain program, without a mesh, and sets the variable NAME to its URL; `stop NAME` ends it.
service() {
  local name="$1" ports
  shift
  ports=$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))')
  env HOST=127.0.0.1 PORT="${ports% *}" METRICS_PORT="${ports#* }" SERVICE_VERSION=v1 POD_NAME="$name" "$@" \
    gunicorn --config python:services.chassis.gunicorn_config "services.$name.app:create_app()" \
    > "${TMPDIR:-/tmp}/workshop-$name.log" 2>&1 &
  eval "$name=http://127.0.0.1:${ports% *} ${name}_process=$!"
  until curl -sf -o /dev/null "http://127.0.0.1:${ports% *}/readyz"; do
    kill -0 $! || return 1
    sleep 0.1
  done
  echo "$name answers at http://127.0.0.1:${ports% *}"
}

stop() {
  eval "kill \$${1}_process && wait \$${1}_process"
}

# plaintext APP
# Asks the first pod of an app for /about, from outside the mesh and in plain text; prints the status.
plaintext() {
  local pods="$LOCALMESH_URL/api/v1/namespaces/sentimesh/pods" pod
  pod=$(curl -s "$pods?labelSelector=app%3D$1" | python3 -c '
import json, sys
print(json.load(sys.stdin)["items"][0]["metadata"]["name"])')
  curl -s -o /dev/null -w '%{http_code}\n' "$pods/$pod:8080/proxy/about"
}
