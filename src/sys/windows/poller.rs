//! L1. What is ready: packets of one completion port, level-triggered for the user.
//!
//! Owns: the port, what is watched, and what was asked of the system for it. Host thread only; the [`Waker`] works on any
//! thread. Imports windows-sys by its neighbours.
//!
//! The system reports once what it was asked for once. What was reported is *listed*, and asked for again by the next look, by
//! the next wait, or by the end of the delivery ([`Poller::settle`]), when its callback has had its turn: then a poll for
//! what is still ready ends at once, which makes readiness level-triggered.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE};

use super::afd::{base_of, Drivers, Poll};
use super::alarm::{Alarm, Timer};
use super::child::Child;
use super::form::form;
use super::handle::OsFd;
use super::module::pin;
use super::port::{milliseconds, Form, Key, Packet, Port};
use super::recheck::{recheck, Report};
use super::time::monotonic_ns;
use super::waitable::waitable;
use super::watch::{Asked, Came, Watch};
use super::winsock::Winsock;
use crate::sys::readiness::{Interest, Readiness, Seen, READABLE};

/// How long the end waits for packets that are still to come. One that does not costs the memory of its watch.
const PATIENCE: u64 = 1_000_000_000;

pub(crate) struct Waker(Arc<Port>);

impl Waker {
    /// Sends a packet, or nothing while one is under way; keeps the thread's last error.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}

/// What is watched.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Socket(OsFd),
    /// On behalf of these bits, by a copy of our own: the number may be another's by now.
    Handle(u64),
}

pub(crate) struct Poller {
    port: Arc<Port>,
    timer: Arc<Timer>,
    watches: HashMap<What, Rc<Watch>>,
    listed: Vec<Rc<Watch>>,
    /// Packets of watches that will come.
    under_way: usize,
    /// How many were asked for.
    #[cfg(test)]
    begun: u64,
    /// What a wait has taken and nobody has looked at yet.
    fetched: VecDeque<Packet>,
    /// How often was looked.
    look: u64,
    /// Of the present look; empty between two.
    reports: Vec<Report>,
    drivers: Drivers,
    _winsock: Winsock,
}

impl Poller {
    pub(crate) const REPORTS_ONCE: bool = true;

    pub(crate) fn new() -> io::Result<(Poller, Waker, Alarm)> {
        pin()?;
        Poller::of(form())
    }

    pub(super) fn of(form: Form) -> io::Result<(Poller, Waker, Alarm)> {
        let winsock = Winsock::start()?;
        let port = Port::of(form)?;
        let (alarm, timer) = Alarm::new(&port)?;
        let waker = Waker(port.clone());
        let poller = Poller {
            port,
            timer,
            watches: HashMap::new(),
            listed: Vec::new(),
            under_way: 0,
            #[cfg(test)]
            begun: 0,
            fetched: VecDeque::new(),
            look: 0,
            reports: Vec::new(),
            drivers: Drivers::default(),
            _winsock: winsock,
        };
        Ok((poller, waker, alarm))
    }

    pub(crate) fn can_be_watched(&self) -> bool {
        self.port.form() == Form::Handle
    }

    /// The port's handle, which is signalled while something is ready.
    pub(crate) fn fd(&self) -> OsFd {
        self.port.handle() as OsFd
    }

    pub(super) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    pub(crate) fn add(&mut self, fd: OsFd, interest: Interest, bits: u64) -> io::Result<Option<u64>> {
        let base = base_of(fd)?;
        let what = What::Socket(fd);
        let dead = self.make_way(what)?;
        let poll = Poll::new(self.drivers.with_room(&self.port)?, base);
        self.insert(what, Watch::socket(bits, interest, fd, poll))?;
        Ok(dead)
    }

    pub(crate) fn add_new(&mut self, fd: OsFd, interest: Interest, bits: u64) -> io::Result<Option<u64>> {
        self.add(fd, interest, bits)
    }

    /// Watches a handle, whose object is signalled, as [`Poller::add`] does a socket. None is in the way of another.
    pub(crate) fn add_handle(
        &mut self,
        handle: OsFd,
        interest: Interest,
        bits: u64,
    ) -> io::Result<Option<u64>> {
        self.insert(What::Handle(bits), Watch::handle(bits, interest, waitable(handle)?))?;
        Ok(None)
    }

    pub(crate) fn add_child(&mut self, pid: i32, bits: u64) -> io::Result<Option<(Child, Option<u64>)>> {
        let child = Child::open(pid)?;
        let dead = self.add_handle(child.handle(), READABLE, bits)?;
        Ok(Some((child, dead)))
    }

    pub(crate) fn remove_child(&mut self, child: &Child, bits: u64) {
        self.remove(child.handle(), bits);
    }

    pub(crate) fn modify(&mut self, fd: OsFd, interest: Interest, bits: u64) -> io::Result<()> {
        let watch = self.whose(fd, bits).and_then(|what| self.watches.get(&what));
        let Some(watch) = watch.filter(|watch| !watch.is_dead()).cloned() else {
            return Err(io::Error::from_raw_os_error(ERROR_INVALID_HANDLE as i32));
        };
        let asked = watch.modify(interest, &self.port);
        self.note(watch, asked)
    }

    pub(crate) fn remove(&mut self, fd: OsFd, bits: u64) {
        if let Some(what) = self.whose(fd, bits) {
            self.forget(what);
        }
    }

    /// Sleeps until something is ready or `timeout` nanoseconds have passed; the next `poll_now` reports what ended the sleep.
    /// Says whether no signal did: there are none that could.
    pub(crate) fn wait(&mut self, timeout: u64) -> io::Result<bool> {
        self.settle();
        if self.fetched.is_empty() {
            self.fetch(milliseconds(timeout))?;
        }
        Ok(true)
    }

    pub(crate) fn poll_now(&mut self, mut seen: impl FnMut(Seen, Readiness)) -> io::Result<()> {
        self.look += 1;
        let mut reports = std::mem::take(&mut self.reports);
        // Twice if the first time has only met polls that were cancelled for the sake of others, which begin now.
        for _ in 0..2 {
            self.settle();
            if self.fetched.is_empty() {
                self.fetch(0)?;
            }
            while let Some(packet) = self.fetched.pop_front() {
                reports.extend(self.meet(packet));
            }
            recheck(&mut reports);
            reports.retain(Report::holds);
            if !reports.is_empty() || self.listed.is_empty() {
                break;
            }
        }
        reports.drain(..).for_each(|report| seen(report.seen, report.ready));
        self.reports = reports;
        Ok(())
    }

    pub(crate) fn is_ready(&mut self) -> bool {
        if self.fetched.is_empty() && self.port.form() == Form::Handle {
            return self.port.is_signalled();
        }
        // If the system cannot be asked there is nothing that it could tell.
        let _ = self.fetch(0);
        let found = !self.fetched.is_empty();
        if found {
            self.tell_sleeper();
        }
        found
    }

    pub(crate) fn has_unarmed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// A delivery is over, or a look begins: the system is asked anew for what was reported.
    pub(crate) fn settle(&mut self) {
        for watch in std::mem::take(&mut self.listed) {
            let asked = watch.arm_listed(&self.port, self.look);
            // One that has died is silent.
            let _ = self.note(watch, asked);
        }
    }

    /// What the system has answered for `watch`, which was taken once. It dies if its socket was closed before its source;
    /// if the system lacks something, the next delivery asks again, and there is one.
    fn note(&mut self, watch: Rc<Watch>, asked: io::Result<Asked>) -> io::Result<()> {
        let Err(error) = asked.map(|asked| self.count(asked)) else { return Ok(()) };
        // The number is nobody's then, or another object's.
        let closed = [ERROR_INVALID_HANDLE, ERROR_ACCESS_DENIED];
        if closed.iter().any(|code| error.raw_os_error() == Some(*code as i32)) {
            watch.die();
            return Err(error);
        }
        self.list(watch);
        self.port.wake();
        Ok(())
    }

    pub(crate) fn close_in_child(&self) {}

    fn fetch(&mut self, timeout: u32) -> io::Result<()> {
        let fetched = &mut self.fetched;
        self.port.take(timeout, |packet| {
            if packet.key != Key::Kept {
                fetched.push_back(packet);
            }
        })
    }

    /// Whoever sleeps on the port is not to miss what lies here for the next look. Not by the waker, whose own packet may be
    /// what lies here.
    fn tell_sleeper(&self) {
        self.port.post(Key::Kept, 0);
    }

    /// What a packet means.
    fn meet(&mut self, packet: Packet) -> Option<Report> {
        match packet.key {
            Key::Waker => {
                self.port.forget_wake();
                Some(Report::of(Seen::Woken))
            }
            Key::Alarm => self.timer.rang().then_some(Report::of(Seen::Alarm)),
            Key::Socket | Key::Handle => {
                // SAFETY: such packets are sent for watches alone, and each is taken from the queue once.
                let (watch, came) = unsafe { Watch::arrive(packet.data) };
                self.under_way -= 1;
                match came {
                    Came::Ready(ready) => {
                        let (seen, doubtful) = (Seen::Fd(watch.bits), watch.doubtful(self.look));
                        self.list(watch);
                        Some(Report { seen, ready, doubtful })
                    }
                    Came::Again => {
                        self.list(watch);
                        None
                    }
                    Came::Over => None,
                }
            }
            Key::Kick | Key::Filled | Key::Kept => None,
        }
    }

    fn list(&mut self, watch: Rc<Watch>) {
        watch.list();
        self.listed.push(watch);
    }

    /// Who is registered so already is in the way, unless its socket was closed: then its bits are returned.
    fn make_way(&mut self, what: What) -> io::Result<Option<u64>> {
        let Some(watch) = self.watches.get(&what).cloned() else { return Ok(None) };
        if !watch.is_dead() {
            // The packet that says so may be under way.
            self.look_for_dead()?;
        }
        if !watch.is_dead() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.watches.remove(&what);
        Ok(Some(watch.bits))
    }

    /// Notes which sockets were closed; all else that has arrived is kept for the next look.
    fn look_for_dead(&mut self) -> io::Result<()> {
        self.settle();
        self.fetch(0)?;
        let fetched = std::mem::take(&mut self.fetched);
        for packet in fetched {
            if packet.key != Key::Socket {
                self.fetched.push_back(packet);
                continue;
            }
            // What is ready is asked for anew, and reported then.
            self.meet(packet);
        }
        if self.has_unarmed() || !self.fetched.is_empty() {
            self.tell_sleeper();
        }
        Ok(())
    }

    fn insert(&mut self, what: What, watch: Watch) -> io::Result<()> {
        self.watches.try_reserve(1)?;
        self.listed.try_reserve(self.watches.len() + 1)?;
        let watch = Rc::new(watch);
        let asked = watch.arm(&self.port)?;
        self.count(asked);
        self.watches.insert(what, watch);
        Ok(())
    }

    /// What is registered under that number on behalf of `bits`.
    fn whose(&self, fd: OsFd, bits: u64) -> Option<What> {
        let is_theirs = |what: &What| self.watches.get(what).is_some_and(|watch| watch.bits == bits);
        [What::Socket(fd), What::Handle(bits)].into_iter().find(is_theirs)
    }

    fn forget(&mut self, what: What) {
        if let Some(watch) = self.watches.remove(&what) {
            let asked = watch.remove();
            self.count(asked);
        }
    }

    fn count(&mut self, asked: Asked) {
        match asked {
            Asked::More => {
                self.under_way += 1;
                #[cfg(test)]
                {
                    self.begun += 1;
                }
            }
            Asked::Less => self.under_way -= 1,
            Asked::Nothing => {}
        }
    }
}

impl Drop for Poller {
    /// Cancels what is pending and takes all packets back, so that the system writes nowhere any more.
    fn drop(&mut self) {
        for (_, watch) in std::mem::take(&mut self.watches) {
            let asked = watch.remove();
            self.count(asked);
        }
        let until = monotonic_ns().saturating_add(PATIENCE);
        while self.under_way > 0 && monotonic_ns() < until && self.fetch(10).is_ok() {
            while let Some(packet) = self.fetched.pop_front() {
                self.meet(packet);
            }
        }
    }
}

#[cfg(test)]
mod tests;
