"""The names of the package that are for a program with a main loop of its own: `asyncguest` has them from here.

Owns: nothing. All are imported at once, so that none of it is left for a turn of the host.
"""

from ._dialog import dialog as dialog
from ._events import event as event
from ._events import events as events
from ._guest import Guest as Guest
from ._guest import StallReport as StallReport
from ._host import CallbackHost as CallbackHost
from ._host import Host as Host
from ._in_thread import Report as Report
from ._in_thread import in_thread as in_thread
from ._process import ProcessStats as ProcessStats
from ._process import stats as stats
from ._resident import Resident as Resident
from ._scope import Scope as Scope
from ._slot import slot as slot
from ._start import current_guest as current_guest
from ._start import start as start
from ._start import start_guest_run as start_guest_run
from ._stats import GuestStats as GuestStats
from ._stats import Histogram as Histogram
from ._toolkits import register_host as register_host
