"""The type of a Tk event is no reason to bring tkinter along."""

excludedimports = ["tkinter"]
