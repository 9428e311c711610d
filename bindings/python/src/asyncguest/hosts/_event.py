"""An event that any thread may set, and a poll that it ends, by fd; on Windows by handle. For `QueueHost`.

Owns: nothing. `Poll` belongs to the thread that polls.
"""

import sys

if sys.platform == "win32":
    from ._event_windows import READABLE, Poll, clear_event, close_event, new_event, set_event
else:
    from ._event_unix import READABLE, Poll, clear_event, close_event, new_event, set_event

__all__ = ["READABLE", "Poll", "clear_event", "close_event", "new_event", "set_event"]
