//! L1. Whether reports are still true. Host thread. Imports windows-sys only.
//!
//! A poll that was begun before this look may have ended before somebody read what it tells of: by a nested loop, in a
//! callback of another source, anywhere on the host thread. Level-triggered readiness is that of now, so such reports are
//! asked for again, all in one call. A poll that this very look has begun needs none of it.

use windows_sys::Win32::Networking::WinSock::{
    WSAPoll, POLLERR, POLLHUP, POLLNVAL, POLLRDBAND, POLLRDNORM, POLLWRNORM, SOCKET, WSAPOLLFD,
    WSAPOLL_EVENT_FLAGS,
};

use crate::sys::readiness::{Readiness, Seen, ERROR, HANGUP, PRIORITY, READABLE, WRITABLE};

/// What a look is about to tell.
pub(super) struct Report {
    pub(super) seen: Seen,
    pub(super) ready: Readiness,
    /// The socket, if it may be out of date.
    pub(super) doubtful: Option<SOCKET>,
}

impl Report {
    /// Of the waker or the alarm.
    pub(super) fn of(seen: Seen) -> Report {
        Report { seen, ready: 0, doubtful: None }
    }

    /// Whether there is something to tell.
    pub(super) fn holds(&self) -> bool {
        self.ready != 0 || !matches!(self.seen, Seen::Fd(_))
    }

    /// A connection that is broken stays so.
    fn to_be_asked(&self) -> Option<SOCKET> {
        self.doubtful.filter(|_| self.ready & (ERROR | HANGUP) == 0)
    }
}

/// Takes out of the reports what does not hold any more.
pub(super) fn recheck(reports: &mut [Report]) {
    let asked = |report: &Report| {
        report.to_be_asked().map(|fd| WSAPOLLFD { fd, events: to_poll(report.ready), revents: 0 })
    };
    let mut entries: Vec<WSAPOLLFD> = reports.iter().filter_map(asked).collect();
    if entries.is_empty() {
        return;
    }
    // SAFETY: as many entries as is said, which outlive the call; a socket that was closed is marked and nothing worse.
    let answered = unsafe { WSAPoll(entries.as_mut_ptr(), entries.len() as u32, 0) };
    if answered < 0 {
        // Nobody knows better than the reports then.
        return;
    }
    let mut entries = entries.into_iter();
    for report in reports.iter_mut().filter(|report| report.to_be_asked().is_some()) {
        if let Some(entry) =
            entries.next().filter(|entry| entry.revents & (POLLERR | POLLHUP | POLLNVAL) == 0)
        {
            report.ready &= from_poll(entry.revents);
        }
    }
}

fn to_poll(ready: Readiness) -> WSAPOLL_EVENT_FLAGS {
    PAIRS.iter().filter(|(bit, _)| ready & bit != 0).fold(0, |events, (_, event)| events | event)
}

fn from_poll(events: WSAPOLL_EVENT_FLAGS) -> Readiness {
    PAIRS.iter().filter(|(_, event)| events & event != 0).fold(0, |ready, (bit, _)| ready | bit)
}

const PAIRS: [(Readiness, WSAPOLL_EVENT_FLAGS); 3] =
    [(READABLE, POLLRDNORM), (WRITABLE, POLLWRNORM), (PRIORITY, POLLRDBAND)];
