#!/usr/bin/env bash
# Lints what cellctl sends to CloudFormation: each example cell rendered, each stress fleet under
# tests/fixtures/stress, and the control stack. A warning counts as an error.
#
#   tests/tools/cfn-lint.sh
#
# CELLCTL   the program [target/debug/cellctl]
# CFN_LINT  the linter  [cfn-lint]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cellctl=${CELLCTL:-target/debug/cellctl}
cfn_lint=${CFN_LINT:-cfn-lint}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Renders every cell of a folder of definitions.
render() {
  local cells=$1 templates=$2 label=$3 file cell
  for file in "$cells"/*.yaml; do
    cell=$(basename "$file" .yaml)
    [ "$cell" = fleet ] && continue
    "$cellctl" --cells "$cells" --templates "$templates" --quiet render "$cell" -o "$work/$label-$cell.yaml"
  done
}

render cells templates examples
for fleet in tests/fixtures/stress/*/; do
  [ -f "$fleet/cells/fleet.yaml" ] || continue
  templates=$fleet/templates
  [ -d "$templates" ] || templates=templates
  render "$fleet/cells" "$templates" "$(basename "$fleet")"
done
cp src/ops/control_stack.yaml "$work/control-stack.yaml"

echo "linting $(find "$work" -name '*.yaml' | wc -l) templates"
# Every finding gives an exit status, informational ones excepted.
"$cfn_lint" --non-zero-exit-code warning --regions eu-central-1 -- "$work"/*.yaml
