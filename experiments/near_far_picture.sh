#!/usr/bin/env sh
# README's first picture: scikit-image's photos in a style that ships, with the style everywhere, with
# near things crisp, and the other way round. A minute.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/near_far_picture}
STYLE=${STYLE:-edtaonisl}
fststyle() { "$PYTHON" -m fststyle "$@"; }

[ -d "$OUT/demo" ] || fststyle demo "$OUT/demo"
PHOTOS="$OUT/demo/photos/astronaut.png $OUT/demo/photos/motorcycle_left.png"
picture() { # NAME OPTIONS…
  name=$1
  shift
  fststyle infer "$STYLE" $PHOTOS --output "$OUT/$name/" --overwrite "$@"
}
picture "the style everywhere" --map none
picture "near crisp"
picture "far crisp" --near 0 --far 1
fststyle compare "$OUT/the style everywhere" "$OUT/near crisp" "$OUT/far crisp" \
  --content $PHOTOS --height 300 --quality 72 --output "$OUT/near_far.jpg" --overwrite
