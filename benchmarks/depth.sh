#!/usr/bin/env sh
# Trains both depth networks that ship, on what $FSTSTYLE_ASSETS holds, and measures them; then the
# thesis's experiment on KITTI. As it stands it takes about two hours on 2 CPU cores, and can be
# interrupted and started again. With a GPU, longer and larger:
#   STEPS=10 SIZE=224x288 BATCH=16 sh benchmarks/depth.sh        (ten times the steps)
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/depth}
STEPS=${STEPS:-1}
BATCH=${BATCH:-8}
SIZE=${SIZE:-128x160}
HOURGLASS_SIZE=${HOURGLASS_SIZE:-96x128}
A=$FSTSTYLE_ASSETS
D=$A/depth
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

# Labels of photos that the two teachers agree on; the others teach little that is true.
awk -F, 'NR > 1 && $2 >= 0.5 { print $1 }' "$D/pseudo_train_agreement.csv" > "$OUT/trusted.txt"
REAL="nyu=$D/nyu_labelled@:1140 tartan=$D/tartanair replica=$D/replica_frames kittidrive=$D/kitti_drive"
UNSEEN="wild=$D/wild_val nyu=$D/nyu_labelled@1150: kitti=$D/kitti seven=$D/sevenscenes redwood=$D/indoor@1:"
SHARES="nyu=1.5 tartan=0.2 replica=0.12 kittidrive=0.08 scenes=0.9"
SCENES="$A/photos/train $A/photos/train_more"

fststyle depth train --resume --name vgg_head --run-dir "$OUT/vgg_head" --network vgg_head \
  --data $REAL "pseudo=$A/photos/train+$D/pseudo_train@$OUT/trusted.txt" --scenes $SCENES \
  --share $SHARES pseudo=0.6 --val $UNSEEN --size "$SIZE" --batch-size "$BATCH" \
  --steps $((4500 * STEPS)) --lr 1e-3 --lr-decay 0.7 --near-pairs 0.3 --weight-decay 0.02 \
  --checkpoint-interval 500 --picture-interval 1000
fststyle depth convert "$OUT/vgg_head/vgg_head.safetensors" --half \
  --output checkpoints/depth/vgg_head.safetensors --note "$NOTE"

# The hourglass starts from nothing and needs more pictures than have labels: the head's own.
test -d "$OUT/labels/depth" || fststyle depth predict $SCENES --output "$OUT/labels" \
  --network checkpoints/depth/vgg_head.safetensors
fststyle depth train --resume --name hourglass --run-dir "$OUT/hourglass" --network hourglass \
  --data $REAL "train=$A/photos/train+$OUT/labels/depth" "more=$A/photos/train_more+$OUT/labels/depth" \
  --scenes $SCENES --share $SHARES train=0.9 more=0.4 --val $UNSEEN --size "$HOURGLASS_SIZE" \
  --batch-size "$BATCH" --steps $((1200 * STEPS)) --lr 1e-3 --lr-decay 0.7 --near-pairs 0.3 \
  --checkpoint-interval 200 --picture-interval 600
fststyle depth convert "$OUT/hourglass/hourglass.safetensors" --half \
  --output checkpoints/depth/hourglass.safetensors --note "$NOTE"

# The thesis's experiment: fine-tuned on KITTI alone, by its rule for pairs, at its size.
fststyle depth train --resume --name kitti --run-dir "$OUT/kitti" --network hourglass \
  --init checkpoints/depth/hourglass.safetensors --data "drive=$D/kitti_drive" --size 128x160 \
  --val "kitti=$D/kitti" --batch-size "$BATCH" --steps $((60 * STEPS)) --lr 1e-4 --near-pairs 1

fststyle depth eval checkpoints/depth/vgg_head.safetensors checkpoints/depth/hourglass.safetensors \
  "$OUT/kitti/kitti.safetensors" --data $UNSEEN --json benchmarks/depth.json --sheet "$OUT/depth.png"
fststyle bench depth --json benchmarks/depth_cost.json
