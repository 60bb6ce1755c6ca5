"""Telling people of jobs: what they want to hear, what there is to tell, the worker that tells."""
