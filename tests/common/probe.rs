//! Callbacks that are counted, and that fail the test when they come after their drop, inside
//! themselves, twice where once was promised, or on a wrong thread.

use super::*;
use std::mem::ManuallyDrop;
use std::panic::Location;

/// A number for each thing that happens, over all threads.
pub fn next_in_order() -> u64 {
    static ORDER: AtomicU64 = AtomicU64::new(1);
    ORDER.fetch_add(1, Ordering::SeqCst)
}

/// A panic on a thread of the library would not reach the test, so the program ends.
pub fn wrong_thread(what: &str) -> ! {
    let thread = std::thread::current();
    let text = format!("{what} on a wrong thread: {:?}\n", thread.name());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    std::process::abort()
}

pub fn on_thread(thread: ThreadId, what: &str) {
    if std::thread::current().id() != thread {
        wrong_thread(what);
    }
}

/// What belongs to the thread that made it, sent through a post: using or dropping it elsewhere ends the program.
pub struct OnHost<T>(ThreadId, ManuallyDrop<T>);

impl<T> OnHost<T> {
    pub fn new(value: T) -> OnHost<T> {
        OnHost(std::thread::current().id(), ManuallyDrop::new(value))
    }

    pub fn get(&mut self) -> &mut T {
        on_thread(self.0, "a callback");
        &mut self.1
    }
}

// SAFETY: every access and the drop check that they are on the thread that made the value.
unsafe impl<T> Send for OnHost<T> {}

impl<T> Drop for OnHost<T> {
    fn drop(&mut self) {
        on_thread(self.0, "a drop");
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.1) };
    }
}

/// What a callback is watched by.
#[derive(Default)]
pub struct Probe {
    /// Used by several registrations: may be dropped many times, and nest.
    shared: bool,
    pub calls: Cell<u32>,
    pub drops: Cell<u32>,
    pub depth: Cell<u32>,
    pub deepest: Cell<u32>,
    /// Order of the last call and of the last drop, over all probes.
    pub last: Cell<u64>,
    pub dropped: Cell<u64>,
    /// When the last call came.
    pub at: Cell<u64>,
    pub id: Cell<Option<Id>>,
    /// Expirations, count, exit code or number of addresses; getaddrinfo's error negated.
    pub value: Cell<i64>,
    /// Readiness bits, signal number, term signal.
    pub flags: Cell<u32>,
    /// Sum of the values.
    pub total: Cell<i64>,
}

pub type P = Rc<Probe>;

/// A callback that is counted and does nothing else.
pub fn nothing(_: &Handle) {}

impl Probe {
    pub fn new() -> P {
        P::default()
    }

    pub fn shared() -> P {
        Rc::new(Probe { shared: true, ..Probe::default() })
    }

    pub fn calls(&self) -> u32 {
        self.calls.get()
    }

    pub fn drops(&self) -> u32 {
        self.drops.get()
    }

    pub fn fd(self: &P, mut act: impl FnMut(&Handle) + 'static) -> impl FnMut(&Handle, Id, u32) + 'static {
        let token = Token(self.clone());
        move |handle, id, ready| token.call(Some(id), 0, ready, || act(handle))
    }

    pub fn timer(self: &P, mut act: impl FnMut(&Handle) + 'static) -> impl FnMut(&Handle, Id, u64) + 'static {
        let token = Token(self.clone());
        move |handle, id, n| token.call(Some(id), i64::try_from(n).unwrap(), 0, || act(handle))
    }

    pub fn signal(
        self: &P,
        mut act: impl FnMut(&Handle) + 'static,
    ) -> impl FnMut(&Handle, Id, (i32, u32)) + 'static {
        let token = Token(self.clone());
        move |handle, id, (signum, n)| token.call(Some(id), n.into(), signum as u32, || act(handle))
    }

    pub fn child(
        self: &P,
        mut act: impl FnMut(&Handle) + 'static,
    ) -> impl FnMut(&Handle, Id, ChildExit) + 'static {
        let token = Token(self.clone());
        move |handle, id, exit: ChildExit| {
            token.call(Some(id), exit.code.into(), exit.signal as u32, || act(handle))
        }
    }

    pub fn resolved(
        self: &P,
        mut see: impl FnMut(&Resolved) + 'static,
    ) -> impl FnMut(&Handle, Id, &Resolved) + 'static {
        let token = Token(self.clone());
        move |_, id, resolved| {
            let value = resolved.as_ref().map_or_else(|code| -i64::from(code.abs()), |all| all.len() as i64);
            token.call(Some(id), value, 0, || see(resolved))
        }
    }

    pub fn worked<T: 'static>(
        self: &P,
        act: impl FnOnce(&Handle, T) + 'static,
    ) -> impl FnOnce(&Handle, T) + 'static {
        let token = Token(self.clone());
        move |handle, value| token.call(None, 0, 0, || act(handle, value))
    }

    pub fn post(self: &P, act: impl FnOnce(&Handle) + 'static) -> impl FnOnce(&Handle) + Send + 'static {
        let mut sent = OnHost::new(Some((Token(self.clone()), act)));
        move |handle| {
            let (token, act) = sent.get().take().unwrap();
            token.call(None, 0, 0, || act(handle));
        }
    }
}

/// Held by the callback: its drop is the callback's.
struct Token(P);

impl Token {
    fn call(&self, id: Option<Id>, value: i64, flags: u32, act: impl FnOnce()) {
        let probe = &self.0;
        assert!(probe.shared || probe.drops.get() == 0, "called after its drop");
        assert!(probe.shared || probe.depth.get() == 0, "called inside itself");
        probe.depth.set(probe.depth.get() + 1);
        probe.deepest.set(probe.deepest.get().max(probe.depth.get()));
        probe.calls.set(probe.calls.get() + 1);
        probe.last.set(next_in_order());
        probe.at.set(monotonic_ns());
        probe.id.set(id);
        probe.value.set(value);
        probe.flags.set(flags);
        probe.total.set(probe.total.get() + value);
        act();
        probe.depth.set(probe.depth.get() - 1);
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let probe = &self.0;
        probe.drops.set(probe.drops.get() + 1);
        probe.dropped.set(next_in_order());
        if !std::thread::panicking() {
            assert!(probe.shared || probe.drops.get() == 1, "dropped twice");
            assert!(probe.shared || probe.depth.get() == 0, "dropped inside its call");
        }
    }
}

/// Registrations that must succeed.
impl Toy {
    #[track_caller]
    pub fn add_fd(&self, fd: OsFd, events: u32, probe: &P, act: impl FnMut(&Handle) + 'static) -> Id {
        self.handle().fd_add(fd, events, probe.fd(act)).unwrap()
    }

    #[track_caller]
    pub fn add_timer(&self, delay: u64, period: u64, probe: &P, act: impl FnMut(&Handle) + 'static) -> Id {
        self.handle().timer_add(delay, period, probe.timer(act)).unwrap()
    }

    #[track_caller]
    pub fn add_signal(&self, signum: i32, probe: &P) -> Id {
        self.handle().signal_add(signum, probe.signal(nothing)).unwrap()
    }

    #[track_caller]
    pub fn add_child(&self, pid: i32, probe: &P) -> Id {
        self.handle().child_add(pid, probe.child(nothing)).unwrap()
    }

    #[track_caller]
    pub fn add_work(&self, probe: &P, work: impl FnOnce() + Send + 'static) -> Id {
        self.handle().work(work, probe.worked(|_, ()| {})).unwrap()
    }

    #[track_caller]
    pub fn add_resolve(&self, query: Query, probe: &P) -> Id {
        self.handle().resolve(query, probe.resolved(|_| {})).unwrap()
    }

    #[track_caller]
    pub fn post(&self, probe: &P, act: impl FnOnce(&Handle) + 'static) {
        self.poster.post(probe.post(act)).unwrap();
    }
}

/// The status that a call failed with; it must have failed.
#[track_caller]
pub fn refused<T>(result: Result<T>) -> Status {
    match result {
        Err(error) => {
            assert!(!error.message.is_empty());
            error.status
        }
        Ok(_) => panic!("{} accepted what it should refuse", Location::caller()),
    }
}

/// Nothing is early. How late it is depends on the machine: that is for the benchmarks.
#[track_caller]
pub fn at_least(elapsed: u64, least: u64) {
    assert!(elapsed >= least, "{} ns early", least - elapsed);
}
