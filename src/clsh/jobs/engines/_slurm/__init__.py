"""What the engine `slurm` decides, says and reads."""
