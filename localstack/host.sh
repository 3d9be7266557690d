#!/usr/bin/env bash
# LocalStack 4.14.0 without docker, on Linux. See README.md.
#
#   host.sh setup    install under $ROOT; what is there already is kept
#   host.sh start    start on 127.0.0.1:$PORT and wait until it is healthy
#   host.sh stop     stop what start has started
#   host.sh status   say whether it runs; exit status 0 when it does
#
# ROOT  where everything is kept      [${XDG_CACHE_HOME:-~/.cache}/cellctl/localstack-4.14.0]
# PORT  the port on 127.0.0.1         [4566]
# PYTHON  the Python to install with  [the first of python3.13, python3.14, python3 that is 3.13 or newer]
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/cellctl/localstack-4.14.0}
PORT=${PORT:-4566}

VENV=$ROOT/venv
# LocalStack looks for its tools under this folder, as it would under / in its image.
FS=$ROOT/fs
DYNAMODB=$FS/usr/lib/localstack/dynamodb-local/2
JRE=$FS/usr/lib/localstack/java/21
PID_FILE=$ROOT/localstack.pid
LOG=$ROOT/localstack.log
URL=http://127.0.0.1:$PORT/_localstack/health

# AWS's DynamoDB Local 1.25.1, as an npm package carries it. It has a licence of its own and is fetched, never shipped.
DYNAMODB_PACKAGE=amplify-dynamodb-simulator@2.9.30
DYNAMODB_SHA256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9

HEALTHY_WITHIN_S=120
STOPPED_WITHIN_S=10

fail() { printf 'host.sh: %s\n' "$1" >&2; exit 1; }

need() { command -v "$1" >/dev/null 2>&1 || fail "$1 was not found; install $2"; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.14 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no Python 3.13 or newer was found; install one (Debian 13: apt install python3 python3-venv), or name it in PYTHON"
}

# The first number of `java -version`: 17 of "17.0.15".
java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1; }

check_tools() {
  [ "$(uname -s)" = Linux ] || fail "this runs on Linux only; elsewhere use docker-compose.yml"
  need java "a Java 17 or newer (Debian: apt install default-jre-headless)"
  [ "$(java_major)" -ge 17 ] 2>/dev/null || fail "java is version $(java_major), and 17 or newer is needed (Debian: apt install default-jre-headless)"
  need npm "npm (Debian: apt install npm); it fetches DynamoDB Local"
  need cc "a C compiler (Debian: apt install gcc libc6-dev)"
  need curl "curl (Debian: apt install curl)"
  need setsid "util-linux (Debian: apt install util-linux)"
}

install_packages() {
  # The mark is written last, so an installation that was cut off is made anew.
  cmp -s "$HERE/requirements.txt" "$ROOT/installed.txt" && return
  local python
  python=$(find_python)
  rm -rf "$VENV" "$ROOT/installed.txt"
  "$python" -m venv "$VENV" || fail "$python has no venv module; install it (Debian: apt install python3-venv)"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$HERE/requirements.txt" ||
    fail "pip could not install LocalStack; its reason is above. Check the network and the proxy, and run setup again"
  cp "$HERE/requirements.txt" "$ROOT/installed.txt"
}

install_dynamodb() {
  [ -f "$DYNAMODB/DynamoDBLocal.jar" ] && return
  local work=$ROOT/dynamodb.new
  rm -rf "$work" && mkdir -p "$work"
  (cd "$work" && npm pack --silent "$DYNAMODB_PACKAGE" >/dev/null) ||
    fail "npm could not fetch $DYNAMODB_PACKAGE; check the network and the registry, and run setup again"
  (cd "$work" && echo "$DYNAMODB_SHA256  $(ls ./*.tgz)" | sha256sum --check --status) ||
    fail "$DYNAMODB_PACKAGE does not have the pinned hash, so it is not used"
  tar -xzf "$work"/*.tgz -C "$work"
  mkdir -p "$(dirname "$DYNAMODB")" && rm -rf "$DYNAMODB"
  mv "$work/package/emulator" "$DYNAMODB"
  rm -rf "$work"
}

# LocalStack asks for its own Java 21 and loads an agent into it, which only its image has.
install_java() {
  mkdir -p "$JRE/bin"
  cat >"$JRE/bin/java" <<'JAVA'
#!/usr/bin/env bash
kept=()
for argument in "$@"; do
  [[ $argument == -javaagent:* ]] || kept+=("$argument")
done
JAVA
  printf 'exec %q "${kept[@]}"\n' "$(command -v java)" >>"$JRE/bin/java"
  chmod +x "$JRE/bin/java"
}

install_plugin() {
  local packages info
  packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  info=$packages/cellctl_process_executor-1.dist-info
  mkdir -p "$info"
  cp "$HERE"/host/process_executor*.py "$packages/"
  printf 'Metadata-Version: 2.1\nName: cellctl-process-executor\nVersion: 1\n' >"$info/METADATA"
  printf '[localstack.lambda.runtime_executor]\nprocess = process_executor:ProcessPlugin\n' >"$info/entry_points.txt"
  # LocalStack's list of plugins is cached, and would not show the new one.
  rm -rf "$ROOT/cache/plux"
}

setup() {
  check_tools
  mkdir -p "$ROOT/cache" "$ROOT/tmp"
  install_packages
  install_dynamodb
  install_java
  cc -shared -fPIC -O2 -o "$ROOT/loopback.so" "$HERE/host/loopback.c" -ldl || fail "host/loopback.c does not compile; the reason is above"
  install_plugin
  echo "set up under $ROOT"
}

# The process that start has started, if it still runs. Its number may belong to another program by now, so its
# command line is looked at as well.
running_pid() {
  local pid
  pid=$(cat "$PID_FILE" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$VENV/bin/python -m localstack.runtime.main" || return 1
  printf '%s\n' "$pid"
}

is_healthy() { curl -fs --noproxy '*' --max-time 2 -o /dev/null "$URL"; }

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

launch() {
  # A clean environment: nothing in it can lead to a real account.
  cd "$ROOT"
  setsid env -i \
    PATH="$PATH" HOME="$ROOT/tmp" TMPDIR="$ROOT/tmp" LANG=C.UTF-8 \
    LD_PRELOAD="$ROOT/loopback.so" \
    XDG_CACHE_HOME="$ROOT/cache" FILESYSTEM_ROOT="$FS" OVERRIDE_IN_DOCKER=0 \
    GATEWAY_LISTEN="127.0.0.1:$PORT" LOCALSTACK_HOST="127.0.0.1:$PORT" \
    SKIP_SSL_CERT_DOWNLOAD=1 DISABLE_EVENTS=1 DYNAMODB_IN_MEMORY=1 \
    PROVIDER_OVERRIDE_DYNAMODB=v2 PROVIDER_OVERRIDE_DYNAMODBSTREAMS=v2 \
    LAMBDA_RUNTIME_EXECUTOR=process \
    "$VENV/bin/python" -m localstack.runtime.main </dev/null >"$LOG" 2>&1 &
  echo $! >"$PID_FILE"
}

start() {
  local pid
  if pid=$(running_pid); then
    is_healthy || fail "process $pid runs and does not answer on port $PORT; run stop first. Log: $LOG"
    echo "runs already: http://127.0.0.1:$PORT (pid $pid, log $LOG)"
    return
  fi
  [ -x "$VENV/bin/python" ] && [ -f "$ROOT/loopback.so" ] || fail "nothing is set up under $ROOT; run setup first"
  port_is_taken && fail "port $PORT is in use by another process; choose another with PORT"
  launch
  local deadline=$((SECONDS + HEALTHY_WITHIN_S))
  until is_healthy; do
    if ! running_pid >/dev/null && ! kill -0 "$(cat "$PID_FILE")" 2>/dev/null; then
      tail -n 20 "$LOG" >&2
      fail "LocalStack ended before it answered; its last lines are above, the log is $LOG"
    fi
    if [ $SECONDS -ge $deadline ]; then
      stop >/dev/null
      fail "LocalStack did not answer within $HEALTHY_WITHIN_S s and was stopped; its log is $LOG"
    fi
    sleep 0.25
  done
  echo "is up: http://127.0.0.1:$PORT (pid $(running_pid), log $LOG)"
}

# DynamoDB Local leads a session of its own, so it is known by the folder that it runs from.
kill_dynamodb() {
  local process
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/exe" 2>/dev/null) == */java ]] || continue
    grep -qsF "$DYNAMODB/" "$process/cmdline" && kill -KILL "${process#/proc/}" 2>/dev/null
  done
  return 0
}

stop() {
  local pid answer="nothing runs"
  if pid=$(running_pid); then
    kill -TERM "$pid"
    local deadline=$((SECONDS + STOPPED_WITHIN_S))
    while running_pid >/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
    # The session that it leads holds the functions, too.
    kill -KILL -- "-$pid" 2>/dev/null || true
    answer=stopped
  fi
  kill_dynamodb
  rm -f "$PID_FILE"
  echo "$answer"
}

status() {
  local pid
  pid=$(running_pid) || { echo "does not run"; exit 1; }
  is_healthy || { echo "process $pid runs and does not answer on port $PORT; its log is $LOG"; exit 1; }
  echo "healthy: http://127.0.0.1:$PORT (pid $pid, log $LOG)"
}

case ${1:-} in
  setup | start | stop | status) "$1" ;;
  *) fail "say what to do: setup, start, stop or status" ;;
esac
