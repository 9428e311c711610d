"""What setup.py needs to build asyncguest._native. Standard library and cffi only; never installed."""
