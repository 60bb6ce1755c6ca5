#!/bin/zsh
##SBATCH --mem=1T
# SBATCH --mem=2T
#SBATCH --frobnicate 7 --mem=2G
#SBATCH --new-one=3

echo begun
#SBATCH --mem=4G
