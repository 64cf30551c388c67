#!/usr/bin/env sh
# Networks of several widths at equal training, for docs/results.md: losses on photos not trained
# on, multiply-adds, size and speed at 640x360. Needs FSTSTYLE_ASSETS. About 45 minutes on 2 CPU cores;
# can be interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/widths}
# The losses and the optimizer that these figures were measured with, before there were others.
PAPERS="--no-map-input --alpha-min 0.2 --style-balance sum --content-layers relu2_2 --style-weight 4 --depth-weight 8 --optimizer adam --init none --loss-padding zeros --grain 0 --stability-moves shifts"
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
networks=""
for width in 32 16 8; do
  name=width_$width
  "$PYTHON" train.py --resume --style "$A/styles/starry_night.jpg" --content "$A/photos/train" $PAPERS \
    --val "$A/photos/val" --method plain --steps 1200 --image-size 160 --batch-size 2 \
    --width $width --name $name --run-dir "$OUT/$name"
  "$PYTHON" -m fststyle bench infer --checkpoint "$OUT/$name/$name.safetensors" --size 640x360 \
    --precision fp32 int8 --photos "$A/photos/train" --repeats 15 --json "$OUT/$name.json" --overwrite
  networks="$networks $OUT/$name/$name.safetensors"
done
"$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --json "$OUT/losses.json" --overwrite
# On two of scikit-image's photos, which are free: rocket (SpaceX) and coffee (Pikolo Espresso Bar).
photos=$("$PYTHON" -c "import skimage; print(skimage.__path__[0])")/data
"$PYTHON" -m fststyle compare $networks --height 176 --output "$OUT/widths.jpg" --overwrite \
  --content "$photos/rocket.jpg" "$photos/coffee.png"
