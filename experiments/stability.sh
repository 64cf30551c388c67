#!/usr/bin/env sh
# What the stability loss gains and costs: the same trainings with and without it, along the moves of a
# camera and along plain shifts, in two widths, measured on photos and videos not trained on, also as
# infer steadies videos. Needs FSTSTYLE_ASSETS. About an hour and a half on 2 CPU cores; can be
# interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/stability}
SETTING=${SETTING:---image-size 256 --batch-size 1 --style-size 512}
WEIGHT=${WEIGHT:-200}
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
for run in "32 1200 0 camera" "32 1200 $WEIGHT camera" "32 1200 $WEIGHT shifts" \
           "8 1500 0 camera" "8 1500 $WEIGHT camera" "8 1500 $WEIGHT shifts"; do
  set -- $run
  name=w${1}_$4
  [ "$3" = 0 ] && name=w${1}_without
  "$PYTHON" train.py --resume --style "$A/styles/starry_night_crop.jpg" --content "$A/photos_free/image" \
    --val "$A/photos/val" --method plain --width "$1" --steps "$2" $SETTING --checkpoint-interval 200 \
    --stability-weight "$3" --stability-moves "$4" --name "$name" --run-dir "$OUT/$name"
done
networks=
for width in 32 8; do
  for kind in without camera shifts; do networks="$networks $OUT/w${width}_$kind/w${width}_$kind.safetensors"; done
done
"$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --videos "$A"/video/davis/*.mp4 \
  --json "$OUT/figures.json" --overwrite
"$PYTHON" -m fststyle evaluate $networks --videos "$A"/video/davis/*.mp4 --steady 0.6 \
  --json "$OUT/steadied.json" --overwrite
