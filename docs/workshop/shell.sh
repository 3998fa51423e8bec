# Prepares a terminal (bash or zsh) for the workshop; in the folder of the repository: . docs/workshop/shell.sh
# On a cluster, set GATEWAY to the URL of the ingress gateway first, and LOCALMESH_URL to that of `kubectl proxy`.
[ -z "$ZSH_VERSION" ] || setopt interactivecomments
if [ ! -f docs/workshop/shell.sh ]; then
  echo "this is not the folder of the repository: go there first, then: . docs/workshop/shell.sh" >&2
  return 1
elif [ ! -x .venv/bin/localmesh ]; then
  echo "the programs are not installed yet: make setup, then: . docs/workshop/shell.sh" >&2
  return 1
fi
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
      $1 == "duration:" { duration = $2 }
      END {
        if (!status) exit 1
        printf "%s  %.3f s  %s\n", status, duration, served ? served : "answered by a proxy, no pod" }' || {
      echo "nothing answers at $GATEWAY: start the mesh in another terminal (make up), or correct GATEWAY" >&2
      return 1
    }
  done
}

# service NAME [VARIABLE=VALUE…]
# Runs a service as a plain program, without a mesh, and sets the variable NAME to its URL; `stop NAME` ends it.
service() {
  local name="$1" ports log="${TMPDIR:-/tmp}/workshop-$1.log"
  case "$name" in feedback | frontend | logic | webapp) ;; *)
    echo "there is no service \"$name\", but feedback, frontend, logic and webapp" >&2
    return 1
    ;;
  esac
  if _runs "$name"; then
    echo "$name runs already; this ends it: stop $name" >&2
    return 1
  fi
  shift
  ports=$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))')
  # without the shell's messages about jobs
  { env HOST=127.0.0.1 PORT="${ports% *}" METRICS_PORT="${ports#* }" SERVICE_VERSION=v1 POD_NAME="$name" "$@" \
    gunicorn --config python:services.chassis.gunicorn_config "services.$name.app:create_app()" \
    > "$log" 2>&1 & } 2>/dev/null
  eval "$name=http://127.0.0.1:${ports% *} ${name}_process=$!"
  disown
  until curl -sf -o /dev/null "http://127.0.0.1:${ports% *}/readyz"; do
    if ! _runs "$name"; then
      echo "$name has ended; $log says why:" >&2
      tail -n 3 "$log" >&2
      return 1
    fi
    sleep 0.1
  done
  echo "$name answers at http://127.0.0.1:${ports% *}"
}

stop() {
  if ! _runs "$1"; then
    echo "$1 does not run" >&2
    return 1
  fi
  eval "kill \$${1}_process"
  while _runs "$1"; do sleep 0.1; done
}

_runs() {
  eval "kill -0 \"\${${1}_process:-none}\"" 2>/dev/null
}

# plaintext APP
# Asks the first pod of an app for /about, from outside the mesh and in plain text; prints the status.
plaintext() {
  local pods="$LOCALMESH_URL/api/v1/namespaces/sentimesh/pods" found pod
  if ! found=$(curl -sf "$pods?labelSelector=app%3D$1"); then
    echo "no mesh answers at $LOCALMESH_URL: start it in another terminal (make up)" >&2
    return 1
  fi
  pod=$(printf '%s' "$found" | python3 -c '
import json, sys
print(*(pod["metadata"]["name"] for pod in json.load(sys.stdin)["items"][:1]))')
  if [ -z "$pod" ]; then
    echo "there is no pod with the label app: $1" >&2
    return 1
  fi
  curl -s -o /dev/null -w '%{http_code}\n' "$pods/$pod:8080/proxy/about"
}
