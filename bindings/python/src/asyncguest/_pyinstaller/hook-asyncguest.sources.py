"""Like an adapter, a module that knows a toolkit is no reason to bring that along. Tk's alone imports it by its name."""

excludedimports = ["tkinter"]
