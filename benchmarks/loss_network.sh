#!/usr/bin/env sh
# The small loss network in checkpoints/loss: its training, and styles trained against it and against
# VGG-19 with the same steps, judged by VGG-19. Needs FSTSTYLE_ASSETS, and style networks whose pictures
# it is trained on, too (STYLES, by default those that ship). About 75 minutes on 2 CPU cores; can be
# interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/loss}
STEPS=${STEPS:-4000}
STYLES=${STYLES:-checkpoints/styles/*.onnx}
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
if [ ! -d "$OUT/stylized" ]; then
  for style in $STYLES; do
    "$PYTHON" infer.py "$style" "$A"/photos/train/coco_*.jpg --max-size 320 \
      --output "$OUT/stylized/$(basename "$style" .onnx)"
  done
fi
"$PYTHON" -m fststyle loss train --resume --name small --run-dir "$OUT/small" --steps "$STEPS" \
  --data "$A/photos/train" "$A/photos/train_more" "$A/styles" "$OUT/stylized" \
  --val "$A/photos/val"
for painting in starry_night the_scream; do
  networks=""
  for loss in vgg19 small; do
    file=$loss
    [ "$loss" = small ] && file="$OUT/small/small.safetensors"
    "$PYTHON" train.py --resume --style "$A/styles/$painting.jpg" --content "$A/photos/train" \
      --val "$A/photos/val" --method plain --steps 1200 --image-size 160 --batch-size 2 \
      --loss-network "$file" --name "$loss" --run-dir "$OUT/$painting/$loss"
    networks="$networks $OUT/$painting/$loss/$loss.safetensors"
  done
  "$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --json "$OUT/$painting.json" \
    --sheet "$OUT/$painting.png"
done
"$PYTHON" -m fststyle bench train --json "$OUT/speed.json"
