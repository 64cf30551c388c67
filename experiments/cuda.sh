#!/usr/bin/env sh
# Everything that waits for a CUDA machine: speed, parity, trainings. Results go to OUT (default:
# experiments/cuda). First all of it in miniature, which takes a minute and ends the run where
# something does not work. PARTS chooses among the parts, for a machine that is lent for minutes;
# they stand in the order of what is missed most. "infer", "tests" and "video" need no data but
# CLIP, the others FSTSTYLE_ASSETS. Trainings can be interrupted and begun again.
set -eu
cd "$(dirname "$0")/.."
export PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/cuda}
PARTS=${PARTS:-check infer tests video train styles optimize methods depth}
PROVIDER=${PROVIDER:-cuda}
SIZES=${SIZES:-1280x720 1920x1080 3840x2160}
REPEATS=${REPEATS:-30}
ASSETS=${FSTSTYLE_ASSETS:-}
CLIP=${CLIP:-$ASSETS/video/davis/blackswan.mp4}
SHIPPED=checkpoints/styles/starry_night
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

# A figure that fails is told at the end: it should not cost the others a machine that is rare.
failed=""
try() {
  "$@" || failed="$failed
  $*"
}

check() {
  "$PYTHON" experiments/cuda_check.py "$OUT/check"
}

infer() { # Needs onnxruntime-gpu; with the CPU build it says that the provider is not there.
  try "$PYTHON" experiments/cuda_settings.py $SHIPPED.onnx --provider "$PROVIDER" --sizes $SIZES \
    --repeats "$REPEATS" --json "$OUT/settings.json"
  for width in "" _live; do
    try fststyle bench infer --checkpoint $SHIPPED$width.onnx --provider "$PROVIDER" \
      --size $SIZES --precision fp32 fp16 --repeats "$REPEATS" --json "$OUT/infer$width.json" --overwrite
  done
}

tests() {
  try "$PYTHON" -m pytest -n 0 -m gpu $(grep -rl "mark.gpu" tests) --junit-xml "$OUT/tests.xml"
}

video() { # The clip as it is, and enlarged to full HD.
  [ -f "$OUT/hd.mp4" ] || try "$PYTHON" experiments/enlarge.py "$CLIP" "$OUT/hd.mp4" 1920x1080
  for clip in "$CLIP" "$OUT/hd.mp4"; do
    for batch in 1 2 4; do
      try fststyle bench video "$clip" --model $SHIPPED.onnx --provider "$PROVIDER" \
        --batch-size $batch --json "$OUT/video_$(basename "$clip" .mp4)_$batch.json" --overwrite
    done
  done
}

train() {
  for precision in fp32 bf16 fp16; do
    try fststyle bench train --device cuda --precision $precision --repeats 20 \
      --content "$ASSETS/photos/train" --json "$OUT/train_$precision.json" --overwrite
  done
  try fststyle bench depth --repeats 20 --json "$OUT/steps.json" --overwrite
}

styles() { # Look at them before they take the place of those that ship.
  STEPS=${STEPS:-4000}
  try env OUT="$OUT/styles" TO="$OUT/published" STEPS="$STEPS" LIVE_STEPS="$STEPS" sh experiments/styles.sh
}

optimize() {
  photo=$(find -L "$ASSETS/photos/val" -type f | sort | head -n 1)
  try fststyle bench optimize --steps 300 --network $SHIPPED.onnx --content "$photo" \
    --style "$ASSETS/styles/starry_night_crop.jpg" --json "$OUT/optimize.json" --overwrite
}

methods() { # At the paper's size and batch.
  try env OUT="$OUT/methods" SETTING="--image-size 256 --batch-size 4" BASE=10000 STEPS=10000 SIZE=256 \
    sh experiments/methods.sh
}

depth() { # All networks, three times as long as on a CPU.
  try env OUT="$OUT/depth" TIMES=3 BATCH=16 sh experiments/depth.sh
}

for part in $PARTS; do
  echo "== $part"
  $part
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
