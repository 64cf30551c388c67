#!/usr/bin/env sh
# The small loss network in checkpoints/loss, and styles trained against it and against VGG-19 with the
# same steps, measured by VGG-19. Needs FSTSTYLE_ASSETS, and ONNX files of styles whose pictures it sees, too
# (STYLES). About 25 minutes on 2 CPU cores; can be interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/loss}
# The losses and the optimizer that these figures were measured with, before there were others.
PAPERS="--no-map-input --alpha-min 0.2 --style-balance sum --content-layers relu2_2 --style-weight 4 --depth-weight 8 --optimizer adam --init none --loss-padding zeros --grain 0 --stability-moves shifts"
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
if [ ! -d "$OUT/stylized" ]; then
  for style in $STYLES; do
    "$PYTHON" infer.py "$style" "$A"/photos/train/coco_*.jpg --max-size 300 \
      --output "$OUT/stylized/$(basename "$style" .onnx)"
  done
fi
small="$OUT/small.safetensors"
[ -f "$small" ] || "$PYTHON" -m fststyle loss train --output "$small" --val "$A/photos/val" \
  --data "$A/photos/train" "$A/photos/train_more" "$A/styles" "$OUT/stylized"
networks=""
for loss in vgg19 "$small"; do
  name=$(basename "$loss" .safetensors)
  "$PYTHON" train.py --resume --style "$A/styles/starry_night.jpg" --content "$A/photos/train" $PAPERS \
    --val "$A/photos/val" --method plain --steps 1200 --image-size 160 --batch-size 2 \
    --loss-network "$loss" --name "$name" --run-dir "$OUT/$name"
  networks="$networks $OUT/$name/$name.safetensors"
done
"$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --json "$OUT/losses.json" --overwrite \
  --sheet "$OUT/sheet.png"
"$PYTHON" -m fststyle bench train --json "$OUT/speed.json" --overwrite
