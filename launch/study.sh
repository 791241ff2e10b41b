#!/usr/bin/env bash
# Runs a study, one run at a time on every GPU of this machine, and compares its runs.
#
#   launch/study.sh OUT [configs/study.py]
#
# Without a GPU, two runs at a time share the CPU. The same command resumes the study.
set -euo pipefail
out=$1 config=${2:-configs/study.py}
devices=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, || true)
python -m alsem.study --config="$config" --out="$out" ${devices:+--devices=$devices} \
  --jobs="$([ -n "$devices" ] && echo 0 || echo 2)"
python -m alsem.compare "$out" --out="$out/compared"
