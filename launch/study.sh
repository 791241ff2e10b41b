#!/usr/bin/env bash
# A study on every GPU of this machine, a run each at a time, and then its comparison.
#
#   launch/study.sh OUT [configs/study.py]
#
# Without a GPU two runs share the processor. The same command goes on where it ended.
set -euo pipefail
out=$1 config=${2:-configs/study.py}
devices=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, || true)
python -m alsem.study --config="$config" --out="$out" ${devices:+--devices=$devices} \
  --jobs="$([ -n "$devices" ] && echo 0 || echo 2)"
python -m alsem.compare "$out" --out="$out/compared"
