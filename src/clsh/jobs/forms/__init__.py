"""The form: its fields, how their values are written, scripts for sbatch, and handing it in."""
