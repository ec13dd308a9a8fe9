"""The tasks that the models are trained and measured on, shared by recipes and evaluate.py. Needs no PyTorch."""
