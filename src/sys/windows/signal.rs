//! L1. The console's Ctrl-C and Ctrl-Break, for any number of guests.
//!
//! Owns: who listens to what, and the counts. The handler runs on a thread that the system makes for it; a [`Listener`] is
//! used on its host thread. Imports windows-sys and the poller's waker.
//!
//! Handlers of the console are asked in turn, the last one first, until one says that it has taken the event. Ours is
//! there only while somebody listens, and takes what somebody listens to: then neither the program's earlier handlers
//! nor the system's, which ends the process, are asked. For all else it steps aside.
//!
//! The system may hold its own lock while it asks handlers, and takes it to add and remove them. So the list that the
//! handler reads has a lock of its own, under which nothing is added or removed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::Arc;

use windows_sys::Win32::System::Console::{SetConsoleCtrlHandler, CTRL_BREAK_EVENT, CTRL_C_EVENT};

use super::handle::{errno, succeeded};
use crate::sync::{lock, Mutex};
use crate::sys::Waker;

/// What the C library calls them.
const SIGINT: i32 = 2;
const SIGBREAK: i32 = 21;

const COUNT: usize = 2;

/// The console's event with that number of a signal, by its place in tables.
fn place(signum: i32) -> Option<usize> {
    match signum {
        SIGINT => Some(0),
        SIGBREAK => Some(1),
        _ => None,
    }
}

/// By place: how often it was taken, by however many listeners.
static ARRIVALS: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

/// Who is told. Read by the handler; see the file's head.
static NODES: Mutex<Vec<Arc<Node>>> = Mutex::new(Vec::new());

/// How many watch something: the handler is there while it is more than 0.
static WATCHES: Mutex<usize> = Mutex::new(0);

/// How often the handler has taken `signum` for some listener since the process began; 0 for what cannot be watched.
pub fn arrivals(signum: i32) -> u64 {
    place(signum).map_or(0, |place| ARRIVALS[place].load(SeqCst))
}

pub(crate) struct Listener {
    node: Arc<Node>,
}

/// What the handler knows of one listener.
struct Node {
    waker: Arc<Waker>,
    watched: [AtomicBool; COUNT],
    counts: [AtomicU32; COUNT],
    pending: AtomicBool,
}

impl Listener {
    pub(crate) fn new(waker: Arc<Waker>) -> Listener {
        let node = Arc::new(Node {
            waker,
            watched: Default::default(),
            counts: Default::default(),
            pending: AtomicBool::new(false),
        });
        lock(&NODES).push(node.clone());
        Listener { node }
    }

    /// Counts arrivals of `signum` from now on. `EINVAL` for what the console does not send.
    pub(crate) fn watch(&self, signum: i32) -> io::Result<()> {
        let place = place(signum).ok_or_else(|| io::Error::from_raw_os_error(errno::EINVAL))?;
        if self.node.watched[place].load(SeqCst) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.node.counts[place].store(0, SeqCst);
        // Before the handler is there, so that it finds the very first arrival watched.
        self.node.watched[place].store(true, SeqCst);
        hold().inspect_err(|_| self.node.watched[place].store(false, SeqCst))
    }

    pub(crate) fn unwatch(&self, signum: i32) {
        let Some(place) = place(signum) else { return };
        if self.node.watched[place].load(SeqCst) {
            release();
            // Only now: what arrives before was watched, what arrives after is another's.
            self.node.watched[place].store(false, SeqCst);
        }
    }

    pub(crate) fn any_pending(&self) -> bool {
        self.node.pending.load(SeqCst)
    }

    pub(crate) fn begin_take(&self) {
        self.node.pending.swap(false, SeqCst);
    }

    pub(crate) fn take(&self, signum: i32) -> u32 {
        place(signum).map_or(0, |place| self.node.counts[place].swap(0, SeqCst))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.unwatch(SIGINT);
        self.unwatch(SIGBREAK);
        lock(&NODES).retain(|node| !Arc::ptr_eq(node, &self.node));
    }
}

/// One more watches: the first brings the handler.
fn hold() -> io::Result<()> {
    let mut watches = lock(&WATCHES);
    if *watches == 0 {
        // SAFETY: the handler is a function of this library, and is taken back when nobody watches any more.
        succeeded(unsafe { SetConsoleCtrlHandler(Some(handler), 1) })?;
    }
    *watches += 1;
    Ok(())
}

/// One fewer watches: the last takes the handler back.
fn release() {
    let mut watches = lock(&WATCHES);
    *watches -= 1;
    if *watches == 0 {
        // SAFETY: as above. It was added, so that this cannot fail.
        unsafe { SetConsoleCtrlHandler(Some(handler), 0) };
    }
}

/// Runs on a thread of the system's: tells every listener. Says whether the event is taken.
unsafe extern "system" fn handler(event: u32) -> i32 {
    let place = match event {
        CTRL_C_EVENT => place(SIGINT),
        CTRL_BREAK_EVENT => place(SIGBREAK),
        _ => None,
    };
    place.is_some_and(arrived).into()
}

/// An event has arrived. Says whether somebody listens to it.
fn arrived(place: usize) -> bool {
    let nodes = lock(&NODES);
    let listening: Vec<_> = nodes.iter().filter(|node| node.watched[place].load(SeqCst)).collect();
    if listening.is_empty() {
        return false;
    }
    ARRIVALS[place].fetch_add(1, SeqCst);
    for node in listening {
        // Stays at its maximum. In this order: whoever sees the flag, or has cleared it, finds the count.
        let _ = node.counts[place].fetch_update(SeqCst, SeqCst, |n| n.checked_add(1));
        node.pending.store(true, SeqCst);
        node.waker.wake();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Poller, Seen};

    /// The counts are shared.
    static ALONE: Mutex<()> = Mutex::new(());

    fn listener() -> (Listener, Poller) {
        let (poller, waker, _alarm) = Poller::new().unwrap();
        (Listener::new(Arc::new(waker)), poller)
    }

    /// As the console does. Says whether the event was taken.
    fn raise(event: u32) -> bool {
        // SAFETY: any thread may call it.
        unsafe { handler(event) != 0 }
    }

    fn woken(poller: &mut Poller) -> bool {
        let mut woken = false;
        poller.poll_now(|seen, _| woken |= seen == Seen::Woken).unwrap();
        woken
    }

    #[test]
    fn arrivals_are_counted_and_wake_who_listens() {
        let _alone = lock(&ALONE);
        let ((first, mut first_poller), (second, mut second_poller)) = (listener(), listener());
        assert!(!raise(CTRL_C_EVENT), "nobody listens");
        first.watch(SIGINT).unwrap();
        second.watch(SIGINT).unwrap();
        second.watch(SIGBREAK).unwrap();
        let before = arrivals(SIGINT);
        for _ in 0..3 {
            assert!(raise(CTRL_C_EVENT));
        }
        assert!(raise(CTRL_BREAK_EVENT));
        assert!(!raise(2), "CTRL_CLOSE_EVENT is not ours");
        assert_eq!(arrivals(SIGINT) - before, 3, "once for both");
        assert!(first.any_pending() && woken(&mut first_poller) && woken(&mut second_poller));
        first.begin_take();
        assert!(!first.any_pending());
        assert_eq!((first.take(SIGINT), first.take(SIGINT), first.take(SIGBREAK)), (3, 0, 0));
        assert_eq!((second.take(SIGINT), second.take(SIGBREAK)), (3, 1));
        drop(first);
        assert!(raise(CTRL_C_EVENT));
        second.unwatch(SIGINT);
        second.unwatch(SIGINT);
        assert!(!raise(CTRL_C_EVENT) && raise(CTRL_BREAK_EVENT));
        second.watch(SIGINT).unwrap();
        assert_eq!(second.take(SIGINT), 0, "what was not taken before the unwatch is forgotten");
    }

    #[test]
    fn what_the_console_does_not_send_is_refused() {
        let _alone = lock(&ALONE);
        let (listener, _poller) = listener();
        for signum in [-1, 0, 1, 15, 22, i32::MAX] {
            assert_eq!(listener.watch(signum).unwrap_err().raw_os_error(), Some(errno::EINVAL), "{signum}");
            listener.unwatch(signum);
            assert_eq!((listener.take(signum), arrivals(signum)), (0, 0));
        }
        listener.watch(SIGBREAK).unwrap();
        assert_eq!(listener.watch(SIGBREAK).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn the_handler_is_there_while_somebody_watches_and_a_waker_is_given_back() {
        let _alone = lock(&ALONE);
        let (_poller, waker, _alarm) = Poller::new().unwrap();
        let waker = Arc::new(waker);
        for _ in 0..100 {
            let listener = Listener::new(waker.clone());
            listener.watch(SIGINT).unwrap();
            listener.watch(SIGBREAK).unwrap();
            assert_eq!(*lock(&WATCHES), 2);
        }
        assert_eq!((*lock(&WATCHES), Arc::strong_count(&waker)), (0, 1));
    }
}
