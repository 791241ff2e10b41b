#!/usr/bin/env bash
# Runs strategies x seeds of one config, one after the other, over shared geometry.
#
#   launch/compare_strategies.sh OUT "random geometry" "0 1" --config=configs/room.py [flags]
#
# A run that is finished is recognised and costs seconds; one that was killed goes on.
set -euo pipefail
out=$1 strategies=$2 seeds=$3
shift 3
for strategy in $strategies; do
  for seed in $seeds; do
    python -m alsem.main "$@" \
      --config.active.strategy="$strategy" --config.seed="$seed" \
      --workdir="$out/${strategy}_$seed"
  done
done
