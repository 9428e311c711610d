"""Like the adapters, this is no reason to bring a toolkit along."""

excludedimports = ["tkinter"]
