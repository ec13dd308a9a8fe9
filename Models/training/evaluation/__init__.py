"""The measures of evaluate.py, a file for each task: its requests to a server, and the references for the outputs."""
