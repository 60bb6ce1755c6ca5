#!/bin/bash
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --open-mode=append
#SBATCH --time=0-04:00
trap 'touch stop' USR1
./long &
wait
