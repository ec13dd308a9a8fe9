"""What the models are trained and measured on. Recipes and evaluate.py share it, so that both mean the same; needs no
PyTorch."""
