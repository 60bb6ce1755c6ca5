#!/bin/bash -l
#SBATCH --partition=gpu
#SBATCH --gres=gpu:a100:2
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=2-12:00:00
#SBATCH --account=project_465000000
#SBATCH --qos=high
nvidia-smi
python train.py
