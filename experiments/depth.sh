#!/usr/bin/env sh
# Trains both depth networks on what $FSTSTYLE_ASSETS holds, measures them, and does the thesis's
# experiment on KITTI. About two hours on 2 CPU cores; can be interrupted and started again. Longer
# and larger where there is a GPU: STEPS=5 SIZE=224x288 BATCH=16 sh experiments/depth.sh
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/depth}
SHIP=${SHIP:-$OUT/checkpoints}
STEPS=${STEPS:-1}
BATCH=${BATCH:-8}
SIZE=${SIZE:-160x208}
HOURGLASS_SIZE=${HOURGLASS_SIZE:-96x128}
NOTE="Trained on NYU Depth v2, rendered frames, one KITTI drive, photos with labels of other networks, \
and scenes rendered from photos (experiments/depth.sh); their sources permit research, not commerce."
A=$FSTSTYLE_ASSETS
D=$A/depth
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

# Labels of photos that the two teachers agree on; the others teach little that is true.
awk -F, 'NR > 1 && $2 >= 0.5 { print $1 }' "$D/pseudo_train_agreement.csv" > "$OUT/trusted.txt"
DATA="nyu=$D/nyu_labelled@:1140 pseudo=$A/photos/train+$D/pseudo_train@$OUT/trusted.txt \
  tartan=$D/tartanair replica=$D/replica_frames kittidrive=$D/kitti_drive"
SHARES="nyu=1.3 pseudo=0.8 scenes=1 tartan=0.1 replica=0.1 kittidrive=0.06"
UNSEEN="wild=$D/wild_val nyu=$D/nyu_labelled@1150: kitti=$D/kitti seven=$D/sevenscenes redwood=$D/indoor@1:"
SCENES="$A/photos/train $A/photos/train_more"

fststyle depth train --resume --name vgg_head --run-dir "$OUT/vgg_head" --network vgg_head \
  --data $DATA --scenes $SCENES --share $SHARES --val $UNSEEN --size "$SIZE" --batch-size "$BATCH" \
  --steps $((2800 * STEPS)) --lr 1e-3 --lr-decay 0.7 --near-pairs 0.3 --weight-decay 0.02 \
  --checkpoint-interval 500 --picture-interval 1000
fststyle depth convert "$OUT/vgg_head/vgg_head.safetensors" --half --overwrite \
  --output "$SHIP/vgg_head.safetensors" --note "$NOTE"

# On the same pictures, and not on the head's labels, so that each can measure the other's work.
fststyle depth train --resume --name hourglass --run-dir "$OUT/hourglass" --network hourglass \
  --data $DATA --scenes $SCENES --share $SHARES --val $UNSEEN --size "$HOURGLASS_SIZE" \
  --batch-size "$BATCH" --steps $((1050 * STEPS)) --lr 1e-3 --lr-decay 0.8 --near-pairs 0.3 \
  --checkpoint-interval 350 --picture-interval 525
fststyle depth convert "$OUT/hourglass/hourglass.safetensors" --half --overwrite \
  --output "$SHIP/hourglass.safetensors" --note "$NOTE"

# The thesis's experiment: fine-tuned on KITTI alone, by its rule for pairs, at its size.
fststyle depth train --resume --name kitti --run-dir "$OUT/kitti" --network hourglass \
  --init "$SHIP/hourglass.safetensors" --data "drive=$D/kitti_drive" --size 128x160 \
  --val "kitti=$D/kitti" --batch-size "$BATCH" --steps $((60 * STEPS)) --lr 1e-4 --near-pairs 1

fststyle depth eval "$SHIP/vgg_head.safetensors" "$SHIP/hourglass.safetensors" \
  "$OUT/kitti/kitti.safetensors" --data $UNSEEN --json "$OUT/figures.json" --overwrite --sheet "$OUT/depth.png"
fststyle bench depth --json "$OUT/cost.json" --overwrite
