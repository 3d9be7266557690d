#!/usr/bin/env bash
# Opens the pages that `cargo test --test it report` has left in headless Chromium, on a wide and on a narrow window: each
# must keep to its width, be styled, and leave nothing on the console. Usage: tests/html/check.sh [DIRECTORY]
#
# CHROMIUM  the browser   [chromium, chromium-browser or google-chrome]
# SHOTS     a directory for screenshots, light and dark   [none are made]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

pages=${1:-target/tmp/rollout-report}
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || { echo "$0: there is no Chromium; name one in CHROMIUM" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 tests/html/frames.py "$pages" >"$work/frames.html"
options=(--headless --no-sandbox --disable-gpu --disable-extensions --hide-scrollbars --user-data-dir="$work/profile")
timeout 120 "$browser" "${options[@]}" --enable-logging=stderr --virtual-time-budget=20000 --dump-dom \
  "file://$work/frames.html" >"$work/dom" 2>"$work/log"

failed=0
grep -o '<li>.*</li>' "$work/dom" | sed 's/<\/li>/\n/g; s/<li>//g' | sed '/^$/d' >"$work/found"
cat "$work/found"
[ -s "$work/found" ] || { echo "$0: nothing was measured" >&2; failed=1; }
if grep -v ' fits$' "$work/found" >&2; then failed=1; fi
if grep 'CONSOLE' "$work/log" >&2; then failed=1; fi

if [ -n "${SHOTS:-}" ]; then
  mkdir -p "$SHOTS"
  for page in "$pages"/*.html; do
    name=$(basename "$page" .html)
    for mode in 1 0; do
      timeout 60 "$browser" "${options[@]}" --blink-settings=preferredColorScheme=$mode --window-size=1280,2400 \
        --screenshot="$SHOTS/$name-$mode.png" "file://$(realpath "$page")" 2>/dev/null
    done
  done
fi
exit $failed
