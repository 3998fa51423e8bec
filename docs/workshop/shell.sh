# Prepares a terminal for the workshop; in the folder of the repository: . docs/workshop/shell.sh
# On a cluster, set GATEWAY to the URL of the ingress gateway first.
export PATH="$PWD/.venv/bin:$PATH"
export GATEWAY="${GATEWAY:-http://127.0.0.1:8080}"

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
