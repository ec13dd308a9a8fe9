"""The parts of `checker.py`: a reference of what sessions must be, and clients that compare a server with it."""
