#!/usr/bin/env bash
# The paper's experiments on public data: benchmarks/experiments.sh DATA RUNS [JOBS]
#
# DATA holds xu2017/ and bbbc041seg/; RUNS gets composed fields and a folder an experiment. JOBS trainings (2) run
# at a time, one core each, and share a GPU where there is one: give it NVIDIA's MPS, and JOBS no more than there are
# cores. What is done already is not done again, so this can be stopped at any time. Tables, figures without images,
# and the value of every field are copied to results/. docs/results.md says what has been run.
set -euo pipefail
data=$1 runs=$2 jobs=${3:-2}
results=$(dirname "$0")/results
export OMP_NUM_THREADS=1
once=deeplabv3plus,region-growing,pixel-forest # methods with one seed
controls=unet-width-10,dunet-scope-0,dunet-frozen,unet-width-32,dynunet
training=(--batch-size 4 --crop-size 128 --jobs "$jobs")
mkdir -p "$runs"

compose() { # compose NAME FIELDS SEED OPTION...: FIELDS of each of four patients
  [ -f "$runs/$1/dataset.toml" ] ||
    drepano data compose "$data/xu2017" --out "$runs/$1" --fields "$2" --seed "$3" "${@:4}"
}
dense=(--size 320 --cells 18-36 --touching 0.4)

keep() { # keep NAME: what is small and shows nobody's images
  mkdir -p "$results/$1"
  for file in plan.json summary.json fields.csv crops.csv tables.md differences.png roc.png confusion.png \
    calibration.png validation.png learning-curve.png; do
    [ ! -f "$runs/$1/$file" ] || cp "$runs/$1/$file" "$results/$1/"
  done
}

# Tables I and II, cells of stained smears: the paper's methods without a weight between cells.
drepano compare "$data/bbbc041seg" --binary --out "$runs/binary-1200" --folds 5 --seeds 0,1,2 \
  --one-seed pspnet,deeplabv3plus,region-growing,pixel-forest --steps 1200 --validate-every 200 "${training[@]}" \
  --methods dunet,unet,pspnet,deeplabv3plus,region-growing,pixel-forest
keep binary-1200

# dU-Net and U-Net with the preset paper, its loss, rate and light and no augmentation, but our steps and crops.
drepano compare "$data/bbbc041seg" --binary --preset paper --out "$runs/binary-paper" --folds 5 --seeds 0,1,2 \
  --steps 1200 --validate-every 200 "${training[@]}" --methods dunet,unet
keep binary-paper

# The networks asked to see the line where cells touch, as the shipped `rbc` is; then with twice the steps.
drepano compare "$data/bbbc041seg" --binary --touching-weight 20 --out "$runs/binary-touching" --folds 5 \
  --seeds 0,1,2 --one-seed pspnet,deeplabv3plus --steps 600 --validate-every 100 "${training[@]}" \
  --methods dunet,unet,pspnet,deeplabv3plus
keep binary-touching
drepano compare "$data/bbbc041seg" --binary --touching-weight 20 --out "$runs/binary-touching-1200" --folds 5 \
  --seeds 0,1,2 --one-seed pspnet,deeplabv3plus --steps 1200 --validate-every 200 "${training[@]}" \
  --methods dunet,unet,pspnet,deeplabv3plus
keep binary-touching-1200

# The line between cells takes longer still to learn.
drepano compare "$data/bbbc041seg" --binary --touching-weight 20 --out "$runs/binary-touching-2400" --folds 5 \
  --steps 2400 --validate-every 400 "${training[@]}" --methods dunet,unet
keep binary-touching-2400

# All methods and controls, with more steps still. `compare` trains what is not there yet: with a GPU
# the networks are there by then.
long() {
  drepano compare "$data/bbbc041seg" --binary --touching-weight 20 --out "$runs/binary-touching-3600" --folds 5 \
    --seeds 0,1,2 --one-seed "$once,pspnet" --steps 3600 --validate-every 600 "${training[@]}" --methods "$1"
}
networks=dunet,unet,pspnet,deeplabv3plus,$controls
if python -c "import torch; raise SystemExit(not torch.cuda.is_available())"; then
  long region-growing,pixel-forest
  python "$(dirname "$0")/side_by_side.py" "$runs/binary-touching-3600" --methods "$networks" \
    --seeds 0,1,2 --one-seed "$once,pspnet" --processes "$jobs"
fi
long "dunet,unet,pspnet,deeplabv3plus,region-growing,pixel-forest,$controls"
keep binary-touching-3600

# Tables III and IV: the paper's classes on composed fields, and on single real crops, of patients held out.
compose composed-160 40 1 "${dense[@]}"
drepano compare "$runs/composed-160" --group patient --crops "$data/xu2017" --out "$runs/five" --folds 5 \
  --seeds 0,1,2 --one-seed "$once,dunet-full-rate" --steps 4000 --validate-every 400 "${training[@]}" \
  --methods "dunet,unet,pspnet,deeplabv3plus,pixel-forest,$controls,dunet-full-rate"
keep five

# Fields as sparse as the paper's: of 512 px, nearly all background, each class as often as among the cells.
compose composed-natural 40 3 --size 512 --cells 6-14 --touching 0.3 --natural
drepano compare "$runs/composed-natural" --group patient --crops "$data/xu2017" --out "$runs/five-natural" \
  --folds 5 --steps 4000 --validate-every 400 "${training[@]}" --methods dunet,unet
keep five-natural

# Whether twice the steps change what the longest training of all methods says of some.
drepano compare "$runs/composed-160" --group patient --crops "$data/xu2017" --out "$runs/five-8000" --folds 5 \
  --seeds 0,1,2 --one-seed pspnet,dunet-scope-0 --steps 8000 --validate-every 800 "${training[@]}" \
  --methods dunet,unet,pspnet,unet-width-10,dunet-scope-0
keep five-8000

# The same without a GPU, for what the machine changes.
CUDA_VISIBLE_DEVICES="" drepano compare "$runs/composed-160" --group patient --crops "$data/xu2017" \
  --out "$runs/five-8000-cpu" --folds 5 --seeds 0,1,2 --one-seed pspnet,dunet-scope-0 --steps 8000 \
  --validate-every 800 "${training[@]}" --methods dunet,unet,pspnet,unet-width-10,dunet-scope-0
keep five-8000-cpu

# dU-Net and U-Net with the preset paper over five classes, too.
drepano compare "$runs/composed-160" --group patient --crops "$data/xu2017" --preset paper --out "$runs/five-paper" \
  --folds 5 --seeds 0,1,2 --steps 1200 --validate-every 200 "${training[@]}" --methods dunet,unet
keep five-paper

# Whether the lead of the shorter training lasts.
drepano compare "$runs/composed-160" --group patient --crops "$data/xu2017" --preset paper \
  --out "$runs/five-paper-2400" --folds 5 --seeds 0,1,2 --steps 2400 --validate-every 400 "${training[@]}" \
  --methods dunet,unet
keep five-paper-2400

# Figure 7: cells of composed fields against the number of training fields.
compose composed-320 80 2 "${dense[@]}"
drepano learning-curve "$runs/composed-320" --binary --out "$runs/curve-1200" --sizes 10,20,40,80,160,250 --test 64 \
  --seeds 0,1,2 --steps 1200 --validate-every 200 "${training[@]}"
keep curve-1200
drepano learning-curve "$runs/composed-160" --group patient --out "$runs/curve-five" --sizes 15,30,60,120 --test 40 \
  --steps 1000 --validate-every 200 "${training[@]}"
keep curve-five
drepano learning-curve "$data/bbbc041seg" --binary --out "$runs/curve-real" --sizes 5,10,20,40,70 --test 20 \
  --steps 1200 --validate-every 200 "${training[@]}"
keep curve-real

# The dU-Net that does best on patients not trained on; no test patient has a say in the choice for them.
python "$(dirname "$0")/search.py" "$runs/search" "$runs/composed-160" "$data/xu2017" --jobs "$jobs"
cp "$runs/search/search.json" "$results/"
