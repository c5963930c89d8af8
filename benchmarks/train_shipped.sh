#!/usr/bin/env bash
# Train and measure the shipped networks: benchmarks/train_shipped.sh DATA RUNS
#
# DATA holds xu2017/ and bbbc041seg/; RUNS gets composed fields, run folders and figures. What is done already is
# not done again. Two networks at a time, one core each.
set -euo pipefail
data=$1 runs=$2
here=$(dirname "$0")
export OMP_NUM_THREADS=1
patients="JH172 JH1766915 JH18361915 MGH184_61915"
mkdir -p "$runs"

[ -f "$runs/composed/dataset.toml" ] ||
  drepano data compose "$data/xu2017" --out "$runs/composed" --fields 200 --seed 1

scd() { # scd NAME PATIENTS: a five-class network trained on the composed fields of PATIENTS
  [ -f "$runs/$1/model.safetensors" ] ||
    drepano train "$runs/composed" --patients "$2" --network dunet --steps 1500 --validate-every 250 \
      --name "$1" --out "$runs/$1" >"$runs/$1.log" 2>&1
}

without() { # all patients but one, separated by commas
  tr ' ' '\n' <<<"$patients" | grep -vx "$1" | paste -sd,
}

fold() { # fold PATIENT: leave PATIENT out, then classify that patient's real crops
  scd "dunet-without-$1" "$(without "$1")"
  drepano evaluate "$runs/dunet-without-$1/model.safetensors" "$data/xu2017" --patients "$1" \
    --out "$runs/crops-dunet-$1.json" >/dev/null
}

# dU-Net had the lower loss on the inner validation fields of all four folds (results/scd-choice.json); the crops
# choose nothing.
(for patient in JH172 JH18361915; do fold "$patient"; done) &
for patient in MGH184_61915 JH1766915; do fold "$patient"; done
wait
scd scd "${patients// /,}" &
rbc() { # rbc WEIGHT STEPS: cell or background, with that weight where two cells meet
  [ -f "$runs/rbc-$1-$2/model.safetensors" ] ||
    drepano train "$data/bbbc041seg/train" "$runs/dense" --binary --network dunet --steps "$2" --crop-size 128 \
      --validate-every 1500 --touching-weight "$1" --name rbc --out "$runs/rbc-$1-$2" >"$runs/rbc-$1-$2.log" 2>&1
}
[ -f "$runs/dense/dataset.toml" ] ||
  drepano data compose "$data/xu2017" --out "$runs/dense" --fields 40 --size 320 --cells 18-36 --touching 0.4 --seed 1
rbc 1 2500
wait
rbc 20 2500
rbc 20 7500
rbc 20 20000
# What has the highest F1 on the inner validation fields is shipped, of equal ones that with the lowest error of
# the count: weight 20, 7500 steps, neck 0.75.
python "$here/inner_validation.py" "$here/results/rbc-choice.json" "$data/bbbc041seg/train" "$runs/dense" -- \
  "$runs/rbc-1-2500" "$runs/rbc-20-2500" "$runs/rbc-20-7500" "$runs/rbc-20-20000"
[ ! -L "$runs/rbc" ] || rm "$runs/rbc" # of an earlier version: a link to the run
mkdir -p "$runs/rbc"
drepano models publish "$runs/rbc-20-7500/model.safetensors" --name rbc --neck 0.75 --metrics <(echo "[]") \
  --out "$runs/rbc/model.safetensors"
drepano evaluate "$runs/rbc/model.safetensors" "$data/bbbc041seg/val" --out "$runs/fields-rbc.json" >/dev/null
wait

python "$here/shipped_metrics.py" "$runs" "$here/results"
for name in rbc scd; do
  confusion=()
  [ "$name" = rbc ] || confusion=(--confusion "$here/results/$name-confusion.json")
  drepano models publish "$runs/$name/model.safetensors" --name "$name" "${confusion[@]}" \
    --metrics "$here/results/$name-metrics.json" \
    --out "$here/../src/drepano/models/shipped/$name.safetensors"
done
