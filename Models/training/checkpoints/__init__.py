"""Published checkpoints of recurrent networks: read, recognised, recomputed and turned into model folders."""
