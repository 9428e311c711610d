//! L1. Which fds are ready: mio's epoll set, level-triggered for the user.
//!
//! Owns: the epoll set, and who is registered under which fd number. Host thread only; the
//! [`Waker`] works on any thread and in signal handlers. Imports mio and libc.
//!
//! mio makes the set and the waker. It registers edge-triggered, so undrained data would give no second
//! event, and counts urgent data as ordinary; fds are therefore put into its set with `epoll_ctl`, without
//! EPOLLET, and the set is asked with `epoll_wait`. Its fd polls readable until it is drained, which is
//! what the drive FD hands out.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use mio::{Poll, Token};

use super::alarm::Alarm;
use super::child::Child;
use super::handle::close_in_child;
use crate::room::make_room;
use crate::sys::readiness::{Interest, Readiness, Seen, ERROR, HANGUP, PRIORITY, READABLE, WRITABLE};

/// Tokens of our own have bit 63 set, which no id has.
const WAKER: u64 = u64::MAX;
const ALARM: u64 = u64::MAX - 1;

/// How many events one poll takes; the rest comes with the next.
const CAPACITY: usize = 1024;

/// In `owners`: registered, but not in the epoll set at present.
const PAUSED: u64 = 1 << 63;

/// Makes the poller ready, from any thread and from signal handlers.
pub(crate) struct Waker(mio::Waker);

impl Waker {
    /// One `write`, without locks or memory; keeps `errno`. A full counter means "awake already",
    /// and nothing else can go wrong with an eventfd of our own.
    pub(crate) fn wake(&self) {
        // SAFETY: errno's address is valid for the calling thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: as above.
        let before = unsafe { *errno };
        let _ = self.0.wake();
        // SAFETY: as above.
        unsafe { *errno = before };
    }
}

/// The fds that are watched, and which of them are ready.
pub(crate) struct Poller {
    poll: Poll,
    events: Box<[libc::epoll_event]>,
    /// So many of `events` a wait has found, and nobody has looked at them yet.
    fetched: usize,
    /// By fd number: the id bits that it is registered with, or 0. A number that is registered
    /// twice, or removed after its fd was closed and reused, would hit somebody else's fd.
    owners: Vec<u64>,
}

impl Poller {
    /// Whether what was reported has to be asked for again. An epoll set goes on reporting.
    pub(crate) const REPORTS_ONCE: bool = false;

    /// An empty set, and what makes it ready beside fds: the waker and the alarm.
    pub(crate) fn new() -> io::Result<(Poller, Waker, Alarm)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), Token(WAKER as usize))?;
        let alarm = Alarm::new()?;
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; CAPACITY].into();
        let poller = Poller { poll, events, fetched: 0, owners: Vec::new() };
        // Edge-triggered: setting it anew is all that it ever needs.
        poller.control(libc::EPOLL_CTL_ADD, alarm.fd(), libc::EPOLLIN | libc::EPOLLET, ALARM)?;
        Ok((poller, Waker(waker), alarm))
    }

    /// Whether a host can wait for [`Poller::fd`]: an epoll set can be polled.
    pub(crate) fn can_be_watched(&self) -> bool {
        true
    }

    /// The fd that is readable while the set is ready.
    pub(crate) fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Watches `fd` for `interest` (0: registered, but paused) on behalf of `bits`.
    ///
    /// Returns the bits of a registration that turned out to be dead: its fd had been closed. An fd
    /// that is registered and open is an error of kind `AlreadyExists`.
    pub(crate) fn add(&mut self, fd: RawFd, interest: Interest, bits: u64) -> io::Result<Option<u64>> {
        if usize::try_from(fd)
            .is_ok_and(|slot| self.owners.get(slot).is_some_and(|owner| owner & PAUSED != 0))
        {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.add_new(fd, interest, bits)
    }

    /// [`Poller::add`] for an fd that was just opened. Who is registered under its number must be dead: its fd was closed.
    pub(crate) fn add_new(&mut self, fd: RawFd, interest: Interest, bits: u64) -> io::Result<Option<u64>> {
        debug_assert!(bits != 0 && bits & PAUSED == 0);
        let slot = usize::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        let dead = self.owners.get(slot).map_or(0, |owner| owner & !PAUSED);
        let owners = self.owners.len().max(slot + 1);
        make_room(&mut self.owners, owners)?;
        // Registering also finds out whether the fd can be watched at all, hence with interest 0 too.
        self.control(libc::EPOLL_CTL_ADD, fd, to_epoll(interest), bits)?;
        self.owners.resize(owners, 0);
        self.owners[slot] = bits;
        if interest == 0 {
            self.modify(fd, 0, bits)?;
        }
        Ok((dead != 0).then_some(dead))
    }

    /// Watches the end of a child on behalf of `bits`: it is readable then. Returns also what [`Poller::add`] does.
    /// `None`: this system cannot, and a thread has to wait for it.
    pub(crate) fn add_child(&mut self, pid: i32, bits: u64) -> io::Result<Option<(Child, Option<u64>)>> {
        let Some(child) = Child::open(pid)? else { return Ok(None) };
        let dead = self.add_new(child.fd(), READABLE, bits)?;
        Ok(Some((child, dead)))
    }

    pub(crate) fn remove_child(&mut self, child: &Child, bits: u64) {
        self.remove(child.fd(), bits);
    }

    /// Changes what `fd` is watched for; 0 takes it out of the set, since errors and hang-ups
    /// would be reported with an empty interest too, again and again.
    pub(crate) fn modify(&mut self, fd: RawFd, interest: Interest, bits: u64) -> io::Result<()> {
        let Some(owner) = self.owner(fd, bits) else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        let paused = *owner & PAUSED != 0;
        let operation = match (paused, interest == 0) {
            (false, false) => libc::EPOLL_CTL_MOD,
            (false, true) => libc::EPOLL_CTL_DEL,
            (true, false) => libc::EPOLL_CTL_ADD,
            (true, true) => return Ok(()),
        };
        *owner = if interest == 0 { bits | PAUSED } else { bits };
        self.control(operation, fd, to_epoll(interest), bits).inspect_err(|_| {
            // What could not be changed is as it was.
            self.owners[fd as usize] = if paused { bits | PAUSED } else { bits };
        })
    }

    /// Forgets `fd`, unless its number belongs to somebody else by now. Never fails: an fd that was
    /// closed before has left the set by itself.
    pub(crate) fn remove(&mut self, fd: RawFd, bits: u64) {
        let Some(owner) = self.owner(fd, bits) else { return };
        let paused = *owner & PAUSED != 0;
        *owner = 0;
        if !paused {
            let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, bits);
        }
    }

    /// Sleeps until something is ready or `timeout` nanoseconds have passed; the next `poll_now`
    /// reports what ended the sleep. Says whether no signal did.
    pub(crate) fn wait(&mut self, timeout: u64) -> io::Result<bool> {
        // In milliseconds; timers do not depend on it, the alarm is in the set.
        match epoll_wait(self.poll.as_raw_fd(), &mut self.events, timeout) {
            // An interrupted wait has seen nothing.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            found => {
                self.fetched = found?.len();
                Ok(true)
            }
        }
    }

    /// Reports what is ready now, at most [`CAPACITY`] of it, without waiting.
    #[inline(always)]
    pub(crate) fn poll_now(&mut self, mut seen: impl FnMut(Seen, Readiness)) -> io::Result<()> {
        let found = match std::mem::take(&mut self.fetched) {
            0 => match epoll_wait(self.poll.as_raw_fd(), &mut self.events, 0) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
                found => found?,
            },
            count => &self.events[..count],
        };
        for event in found {
            let (what, ready) = match event.u64 {
                WAKER => (Seen::Woken, 0),
                ALARM => (Seen::Alarm, 0),
                bits => (Seen::Fd(bits), from_epoll(event.events as i32)),
            };
            seen(what, ready);
        }
        Ok(())
    }

    /// Whether the next `poll_now` would report something. Takes nothing.
    pub(crate) fn is_ready(&self) -> bool {
        let mut entry = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that outlives the call; no waiting.
        self.fetched > 0 || unsafe { libc::poll(&mut entry, 1, 0) } > 0
    }

    /// For systems that report once: whether something was reported, and is asked for again by the next look or
    /// [`Poller::settle`] alone.
    pub(crate) fn has_unarmed(&self) -> bool {
        false
    }

    /// A delivery is over. Elsewhere the system has to be asked anew for what is still watched.
    #[inline(always)]
    pub(crate) fn settle(&mut self) {}

    pub(crate) fn close_in_child(&self) {
        close_in_child(self.fd());
    }

    fn owner(&mut self, fd: RawFd, bits: u64) -> Option<&mut u64> {
        let slot = usize::try_from(fd).ok()?;
        self.owners.get_mut(slot).filter(|owner| **owner & !PAUSED == bits)
    }

    fn control(&self, operation: i32, fd: RawFd, events: i32, bits: u64) -> io::Result<()> {
        epoll_ctl(self.poll.as_raw_fd(), operation, fd, events, bits)
    }
}

/// Adds, changes or removes `fd`, which is reported as `token`: in the poller's set or the latch's.
pub(super) fn epoll_ctl(set: RawFd, operation: i32, fd: RawFd, events: i32, token: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: token };
    // SAFETY: `event` lives through the call; a bad fd is an error and nothing worse.
    match unsafe { libc::epoll_ctl(set, operation, fd, &mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sleeps until something is ready or `timeout` nanoseconds have passed (`u64::MAX`: no limit; rounded up to
/// milliseconds), and returns what is ready. `room`: where it is written.
#[inline(always)]
pub(super) fn epoll_wait(
    set: RawFd,
    room: &mut [libc::epoll_event],
    timeout: u64,
) -> io::Result<&[libc::epoll_event]> {
    let millis = match timeout {
        0 => 0,
        u64::MAX => -1,
        ns => i32::try_from(ns.div_ceil(1_000_000)).unwrap_or(i32::MAX),
    };
    // SAFETY: `room` is writable, and no more than its length is asked for.
    let count = unsafe { libc::epoll_wait(set, room.as_mut_ptr(), room.len() as i32, millis) };
    match usize::try_from(count) {
        Ok(count) => Ok(&room[..count]),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn to_epoll(interest: Interest) -> i32 {
    let bit = |of: Interest, event: i32| if interest & of != 0 { event } else { 0 };
    bit(READABLE, libc::EPOLLIN) | bit(WRITABLE, libc::EPOLLOUT) | bit(PRIORITY, libc::EPOLLPRI)
}

fn from_epoll(events: i32) -> Readiness {
    let bit = |of: i32, ready: Readiness| if events & of != 0 { ready } else { 0 };
    bit(libc::EPOLLIN, READABLE)
        | bit(libc::EPOLLOUT, WRITABLE)
        | bit(libc::EPOLLPRI, PRIORITY)
        | bit(libc::EPOLLERR, ERROR)
        | bit(libc::EPOLLHUP, HANGUP)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn seen(poller: &mut Poller) -> Vec<(Seen, Readiness)> {
        let mut all = Vec::new();
        poller.poll_now(|what, ready| all.push((what, ready))).unwrap();
        all
    }

    #[test]
    fn who_was_closed_keeps_his_place_until_another_one_has_it() {
        let (mut poller, _waker, _alarm) = Poller::new().unwrap();
        let pair = UnixStream::pair().unwrap();
        let number = pair.0.as_raw_fd();
        for interest in [0, READABLE] {
            poller.add_new(number, interest, 7).unwrap();
            // A file cannot be watched.
            let file = std::fs::File::open("/dev/null").unwrap();
            // SAFETY: both are open; it closes the pair's end by its number, and opens it again as the file.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
            assert!(poller.add_new(number, READABLE, 8).is_err());
            let other = UnixStream::pair().unwrap();
            // SAFETY: the same.
            assert_eq!(unsafe { libc::dup2(other.0.as_raw_fd(), number) }, number);
            assert_eq!(poller.add_new(number, READABLE, 8).unwrap(), Some(7));
            poller.remove(number, 8);
        }
    }

    #[test]
    fn what_ends_a_wait_is_reported_once() {
        let (mut poller, waker, _alarm) = Poller::new().unwrap();
        poller.wait(1).unwrap();
        assert_eq!(seen(&mut poller), [], "the time was over");
        assert!(!poller.is_ready());
        waker.wake();
        assert!(poller.is_ready());
        poller.wait(u64::MAX).unwrap();
        assert!(poller.is_ready(), "nobody has looked at it");
        assert_eq!(seen(&mut poller), [(Seen::Woken, 0)]);
        assert_eq!(seen(&mut poller), []);
    }
}
