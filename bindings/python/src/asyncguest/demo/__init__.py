"""The demo: a Tk window that downloads files with asyncio as its guest. `python -m asyncguest.demo --help`.

__main__   the command line                       server     the files, served by the same guest
app        what belongs together, and its end     fetch      HTTP, by aiohttp or by asyncio's streams
session    a user who acts by a script            download   one download: what has arrived, and its task
picture    the screenshot                         meter      how late timers are, how long deliveries last
report     the figures that are printed           window     what is seen: rows, plot, animation, style
"""
