"""What the toolkits tell: one module for each, with which `asyncguest.event` and its sisters connect.

Each is asked only when the program itself has imported its toolkit, and none imports one. See `find`.
"""
