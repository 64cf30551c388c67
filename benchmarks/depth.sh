#!/usr/bin/env sh
# Trains both depth networks on what $FSTSTYLE_ASSETS holds, measures them, and does the thesis's
# experiment on KITTI. About two hours on 2 CPU cores; can be interrupted and started again. Longer
# and larger where there is a GPU: STEPS=5 SIZE=224x288 BATCH=16 sh benchmarks/depth.sh
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/depth}
SHIP=${SHIP:-$OUT/checkpoints}
STEPS=${STEPS:-1}
BATCH=${BATCH:-8}
SIZE=${SIZE:-160x208}
HOURGLASS_SIZE=${HOURGLASS_SIZE:-96x128}
NOTE="Trained on NYU Depth v2, rendered frames, one KITTI drive, photos with labels of other networks, \
and scenes rendered from photos (benchmarks/depth.sh); their sources permit research, not commerce."
A=$FSTSTYLE_ASSETS
D=$A/depth
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

# Labels of photos that the two teachers agree on; the others teach little that is true.
awk -F, 'NR > 1 && $2 >= 0.5 { print $1 }' "$D/pseudo_train_agreement.csv" > "$OUT/trusted.txt"
REAL="nyu=$D/nyu_labelled@:1140 replica=$D/replica_frames kittidrive=$D/kitti_drive"
UNSEEN="wild=$D/wild_val nyu=$D/nyu_labelled@1150: kitti=$D/kitti seven=$D/sevenscenes redwood=$D/indoor@1:"
SHARES="nyu=1.3 replica=0.1 kittidrive=0.05 scenes=1"
SCENES="$A/photos/train $A/photos/train_more"

fststyle depth train --resume --name vgg_head --run-dir "$OUT/vgg_head" --network vgg_head \
  --data $REAL "pseudo=$A/photos/train+$D/pseudo_train@$OUT/trusted.txt" --scenes $SCENES \
  --share $SHARES pseudo=0.8 --val $UNSEEN --size "$SIZE" --batch-size "$BATCH" \
  --steps $((4500 * STEPS)) --lr 1e-3 --lr-decay 0.7 --near-pairs 0.3 --weight-decay 0.02 \
  --checkpoint-interval 500 --picture-interval 1000
fststyle depth convert "$OUT/vgg_head/vgg_head.safetensors" --half \
  --output "$SHIP/vgg_head.safetensors" --note "$NOTE"

# The hourglass starts from nothing and needs more pictures than have labels: the head's own.
test -f "$OUT/labels/done" || fststyle depth predict $SCENES --output "$OUT/labels" \
  --network "$SHIP/vgg_head.safetensors" --flip
touch "$OUT/labels/done"
fststyle depth train --resume --name hourglass --run-dir "$OUT/hourglass" --network hourglass \
  --data $REAL "train=$A/photos/train+$OUT/labels/depth" "more=$A/photos/train_more+$OUT/labels/depth" \
  --scenes $SCENES --share $SHARES train=0.9 more=0.4 --val $UNSEEN --size "$HOURGLASS_SIZE" \
  --batch-size "$BATCH" --steps $((1200 * STEPS)) --lr 1e-3 --lr-decay 0.7 --near-pairs 0.3 \
  --checkpoint-interval 200 --picture-interval 600
fststyle depth convert "$OUT/hourglass/hourglass.safetensors" --half \
  --output "$SHIP/hourglass.safetensors" --note "$NOTE"

# The thesis's experiment: fine-tuned on KITTI alone, by its rule for pairs, at its size.
fststyle depth train --resume --name kitti --run-dir "$OUT/kitti" --network hourglass \
  --init "$SHIP/hourglass.safetensors" --data "drive=$D/kitti_drive" --size 128x160 \
  --val "kitti=$D/kitti" --batch-size "$BATCH" --steps $((60 * STEPS)) --lr 1e-4 --near-pairs 1

# Depth is measured at the size of the head's training.
fststyle depth eval "$SHIP/vgg_head.safetensors" "$SHIP/hourglass.safetensors" \
  "$OUT/kitti/kitti.safetensors" --data $UNSEEN --size "$SIZE" --json "$OUT/figures.json" --sheet "$OUT/depth.png"
fststyle bench depth --json "$OUT/cost.json"
