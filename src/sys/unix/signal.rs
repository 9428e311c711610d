//! L1. Signals for any number of guests, chained to the handlers that were there, and given back.
//!
//! Owns: who listens to what, and the counts. The handler's part runs on whichever thread the kernel
//! picks; a [`Listener`] is used on its host thread. Imports libc and the poller's waker.
//!
//! The handler takes no lock and no memory: it walks a list of nodes that are never freed, only used
//! again. What is done to the program's own handlers is in [`disposition`].

mod disposition;

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64};
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sys::Waker;

/// Signal numbers are below this.
pub(crate) const COUNT: usize = 65;

/// How long a dropped listener waits for handlers that are using it. One that does not come out (its
/// thread was stopped inside it) costs a node and a waker that are never freed.
const PATIENCE: Duration = Duration::from_secs(1);

/// One guest's signals: which it watches, and how often each has arrived.
pub(crate) struct Listener {
    node: &'static Node,
}

impl Listener {
    /// A listener that watches nothing yet, and wakes `waker` when something arrives.
    pub(crate) fn new(waker: Arc<Waker>) -> Listener {
        let node = Node::claim();
        node.pending.store(false, Relaxed);
        node.waker.store(Arc::into_raw(waker).cast_mut(), Release);
        Listener { node }
    }

    /// Counts arrivals of `signum` from now on. `EINVAL` for what is no signal or cannot be handled
    /// later, `EEXIST` if it is watched already, `EBUSY` as described in [`disposition`].
    pub(crate) fn watch(&self, signum: i32) -> io::Result<()> {
        let (slot, bit) = watchable(signum).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        if !self.node.is_at_home() {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        if self.node.active.load(Relaxed) & bit != 0 {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        // Before the handler is there, so that it finds the very first arrival watched.
        self.node.counts[slot].store(0, Relaxed);
        self.node.active.fetch_or(bit, SeqCst);
        disposition::hold(signum).inspect_err(|_| {
            self.node.active.fetch_and(!bit, SeqCst);
        })
    }

    /// Stops counting `signum`; arrivals that were not taken are forgotten. Harmless if it is not
    /// watched.
    pub(crate) fn unwatch(&self, signum: i32) {
        let Some((_, bit)) = watchable(signum) else { return };
        if !self.node.is_at_home() || self.node.active.load(Relaxed) & bit == 0 {
            return;
        }
        disposition::release(signum);
        // Only now: what arrives before was watched, what arrives after is the previous handler's.
        self.node.active.fetch_and(!bit, SeqCst);
    }

    /// Whether anything has arrived since [`Listener::begin_take`]. One load.
    pub(crate) fn any_pending(&self) -> bool {
        self.node.pending.load(Acquire)
    }

    /// To be called before a round of [`Listener::take`]: what arrives from here on is pending
    /// again, so an arrival is either counted in this round or announces the next one.
    pub(crate) fn begin_take(&self) {
        self.node.pending.swap(false, SeqCst);
    }

    /// How often `signum` has arrived since the last time.
    pub(crate) fn take(&self, signum: i32) -> u32 {
        watchable(signum).map_or(0, |(slot, _)| self.node.counts[slot].swap(0, SeqCst))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.node.is_at_home() {
            // The copy in a forked child: the handlers inside are on threads that do not exist here.
            return;
        }
        for signum in 1..COUNT as i32 {
            self.unwatch(signum);
        }
        if self.node.is_left_within(PATIENCE) {
            let waker = self.node.waker.swap(null_mut(), SeqCst);
            // SAFETY: it came from Arc::into_raw in `new`. No handler uses it: none is inside, and
            // one that enters now finds nothing active.
            drop(unsafe { Arc::from_raw(waker) });
            self.node.owner.store(0, Release);
        }
    }
}

/// The slot and the bit of a signal that can be handled later. Not so: those that cannot be caught, the
/// faults (they would come again at once), and those that the C library keeps for itself.
fn watchable(signum: i32) -> Option<(usize, u64)> {
    use libc::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGTRAP};
    let kept = 32..libc::SIGRTMIN();
    if !(1..COUNT as i32).contains(&signum) || kept.contains(&signum) {
        return None;
    }
    if [SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP].contains(&signum) {
        return None;
    }
    Some((signum as usize, bit(signum)))
}

fn bit(signum: i32) -> u64 {
    1 << (signum - 1)
}

fn process() -> i32 {
    // SAFETY: getpid has no preconditions, cannot fail and may be called in a signal handler.
    unsafe { libc::getpid() }
}

/// By signal: how often it was taken, by however many listeners.
static ARRIVALS: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

/// How often the handler has taken `signum` for some listener since the process began; 0 for what
/// cannot be watched. It is counted before the handler below is called.
pub fn arrivals(signum: i32) -> u64 {
    watchable(signum).map_or(0, |(slot, _)| ARRIVALS[slot].load(SeqCst))
}

/// Runs in the handler: tells every listener. False if none in this process watches the signal.
fn arrived(signum: i32) -> bool {
    let mut taken = false;
    for node in nodes() {
        taken |= node.arrived(signum);
    }
    if taken {
        ARRIVALS[signum as usize].fetch_add(1, SeqCst);
    }
    taken
}

/// What the handler knows of one listener. Never freed; used again when the listener is gone.
struct Node {
    next: Option<&'static Node>,
    /// The process of the listener, 0 if there is none.
    owner: AtomicI32,
    /// The signals that it watches.
    active: AtomicU64,
    /// How many handlers are using the waker. They enter *before* they look at `active`; who clears
    /// `active` and then sees nobody inside knows that nobody will use the waker any more.
    inside: AtomicU32,
    waker: AtomicPtr<Waker>,
    pending: AtomicBool,
    counts: [AtomicU32; COUNT],
}

static NODES: AtomicPtr<Node> = AtomicPtr::new(null_mut());

fn nodes() -> impl Iterator<Item = &'static Node> {
    // SAFETY: null, or a node that was leaked.
    std::iter::successors(unsafe { NODES.load(Acquire).as_ref() }, |node| node.next)
}

impl Node {
    /// A node for a listener of this process: a free one, or else a new one.
    fn claim() -> &'static Node {
        let is_free = |node: &&Node| node.owner.compare_exchange(0, process(), Acquire, Relaxed).is_ok();
        if let Some(node) = nodes().find(is_free) {
            return node;
        }
        let node = Box::leak(Box::new(Node {
            next: None,
            owner: AtomicI32::new(process()),
            active: AtomicU64::new(0),
            inside: AtomicU32::new(0),
            waker: AtomicPtr::new(null_mut()),
            pending: AtomicBool::new(false),
            counts: [const { AtomicU32::new(0) }; COUNT],
        }));
        let mut head = NODES.load(Acquire);
        loop {
            // SAFETY: null, or a node that was leaked.
            node.next = unsafe { head.as_ref() };
            match NODES.compare_exchange(head, node, SeqCst, Acquire) {
                Ok(_) => return node,
                Err(now) => head = now,
            }
        }
    }

    fn is_at_home(&self) -> bool {
        self.owner.load(Relaxed) == process()
    }

    /// Runs in the handler: one arrival. False if the listener does not watch the signal in this
    /// process.
    fn arrived(&self, signum: i32) -> bool {
        if self.active.load(Relaxed) & bit(signum) == 0 {
            return false;
        }
        self.inside.fetch_add(1, SeqCst);
        let taken = self.active.load(SeqCst) & bit(signum) != 0 && self.is_at_home();
        if taken {
            // Stays at its maximum. In this order: whoever sees the flag, or has cleared it, finds
            // the count.
            let _ = self.counts[signum as usize].fetch_update(SeqCst, Relaxed, |n| n.checked_add(1));
            self.pending.store(true, SeqCst);
            // SAFETY: a live Arc's, since this handler is inside and the node is active.
            if let Some(waker) = unsafe { self.waker.load(Acquire).as_ref() } {
                waker.wake();
            }
        }
        self.inside.fetch_sub(1, SeqCst);
        taken
    }

    /// Waits until no handler is inside. They stay for one `write`, so nobody sleeps for it.
    fn is_left_within(&self, patience: Duration) -> bool {
        let start = Instant::now();
        while self.inside.load(SeqCst) != 0 {
            if start.elapsed() > patience {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::unix::tests::{in_forked_child, listener, raise};
    use crate::sys::{Poller, Seen};
    use std::os::unix::process::ExitStatusExt;

    // Tests run at the same time in one process, so each has signals of its own. All raise on their
    // own thread.

    fn woken(poller: &mut Poller) -> bool {
        let mut woken = false;
        poller.poll_now(|seen, _| woken |= seen == Seen::Woken).unwrap();
        woken
    }

    fn error(result: io::Result<()>) -> Option<i32> {
        result.unwrap_err().raw_os_error()
    }

    #[test]
    fn a_count_stays_at_its_maximum() {
        let signum = libc::SIGRTMIN();
        let (listener, _poller) = listener();
        listener.watch(signum).unwrap();
        listener.node.counts[signum as usize].store(u32::MAX - 1, SeqCst);
        assert_eq!(error(listener.watch(signum)), Some(libc::EEXIST), "and counts on");
        for _ in 0..3 {
            raise(signum);
        }
        assert_eq!(listener.take(signum), u32::MAX);
    }

    #[test]
    fn a_dropped_listener_frees_its_waker_and_the_node_is_used_again() {
        let (_poller, waker, _alarm) = Poller::new().unwrap();
        let waker = Arc::new(waker);
        let before = nodes().count();
        for _ in 0..200 {
            Listener::new(waker.clone()).watch(libc::SIGRTMIN() + 2).unwrap();
        }
        assert_eq!(Arc::strong_count(&waker), 1);
        assert!(nodes().count() < before + 100, "other tests make a few");
    }

    #[test]
    fn a_forked_child_wakes_nobody_dies_as_ever_and_may_listen_for_itself() {
        let signum = libc::SIGRTMIN() + 3;
        let (listener, mut poller) = listener();
        listener.watch(signum).unwrap();

        let status = in_forked_child(|| {
            raise(signum);
            0
        });
        assert_eq!(status.signal(), Some(signum), "the default action: {status}");

        let status = in_forked_child(|| {
            if error(listener.watch(signum)) != Some(libc::EPERM) {
                return 1;
            }
            let (own, mut own_poller) = self::listener();
            if own.watch(signum).is_err() {
                return 2;
            }
            raise(signum);
            if own.take(signum) != 1 || !woken(&mut own_poller) {
                return 3;
            }
            drop(own);
            raise(signum);
            4
        });
        assert_eq!(status.signal(), Some(signum), "default again: {status}");

        assert!(!listener.any_pending() && !woken(&mut poller));
        assert_eq!(listener.take(signum), 0);
        raise(signum);
        assert_eq!(listener.take(signum), 1, "the parent listens on");
    }

    #[test]
    fn stop_signals_still_stop_a_forked_child() {
        let (listener, _poller) = listener();
        listener.watch(libc::SIGTSTP).unwrap();
        // SAFETY: the child only raises a signal, and _exit ends it.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            // SAFETY: as above.
            unsafe {
                libc::raise(libc::SIGTSTP);
                libc::_exit(5)
            };
        }
        let mut status = 0;
        // SAFETY: `status` is ours to write; the child is ours.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, libc::WUNTRACED) }, pid);
        assert!(libc::WIFSTOPPED(status), "{status:#x}");
        // SAFETY: the child is ours and not reaped yet; `status` is ours to write.
        unsafe {
            libc::kill(pid, libc::SIGCONT);
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        }
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 5, "{status:#x}");
    }

    #[test]
    fn a_storm_loses_nothing_while_others_come_and_go() {
        const STORM: u32 = 20_000;
        let signum = libc::SIGRTMIN() + 4;
        let (steady, _poller) = listener();
        steady.watch(signum).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..STORM).for_each(|_| raise(signum));
                over.store(true, SeqCst);
            });
            let (_poller, waker, _alarm) = Poller::new().unwrap();
            let waker = Arc::new(waker);
            let mut taken = 0;
            while !over.load(SeqCst) {
                let passing = Listener::new(waker.clone());
                passing.watch(signum).unwrap();
                passing.unwatch(signum);
                passing.watch(signum).unwrap();
                drop(passing);
                if steady.any_pending() {
                    steady.begin_take();
                    taken += steady.take(signum);
                }
            }
            assert_eq!(taken + steady.take(signum), STORM);
            assert_eq!(Arc::strong_count(&waker), 1);
        });
    }
}
