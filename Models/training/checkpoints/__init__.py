"""Published checkpoints of minimal recurrent networks: read, recognised, recomputed and turned into Scanstep's layout."""
