"""The measures of evaluate.py, a file for each task: what is asked of a server, and what its answers are compared
with."""
