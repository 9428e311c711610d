//! The host of a guest, and the faults that it is told to commit.

use super::*;

/// What `post` and `post_local` do with a token instead of queueing it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    Drop,
    Double,
    /// Queue it for 20 ms later.
    Delay,
    /// Queue it in front of everything else.
    Reorder,
    /// Deliver it here and now, inside the call. On the I/O thread the compiler forbids that: it is lost there.
    Inline,
    Fail,
    Gone,
    /// Hang until `unblock` is opened.
    Block,
    /// Any of the first five, by a fixed sequence.
    Chaos,
}

/// The host of one guest.
pub struct ToyHost {
    pub(super) serial: u64,
    thread: ThreadId,
    inbox: Arc<Inbox>,
    local: bool,
    fault: Mutex<(Fault, u32)>,
    random: Mutex<Random>,
    pub posts: AtomicU32,
    pub locals: AtomicU32,
    pub refused: AtomicU32,
    pub last_token: AtomicU64,
    /// What inlined deliveries returned.
    pub inlined: Mutex<Vec<Result<()>>>,
    /// The status of each `done`, and when it came in the order of [`next_in_order`].
    pub done: Mutex<Vec<(Status, u64)>>,
    /// `done` lets go of the guest.
    pub free_in_done: AtomicBool,
    pub entered: Latch,
    pub unblock: Latch,
    pub stalls: Mutex<Vec<(Stall, u64)>>,
    pub stalled: Latch,
}

thread_local! {
    /// The toys of this thread, for a host that delivers inline.
    static HERE: RefCell<Vec<Weak<Toy>>> = const { RefCell::new(Vec::new()) };
}

/// Lets the hosts of this thread find that toy.
pub(super) fn add_here(toy: &Rc<Toy>) {
    HERE.with_borrow_mut(|here| here.push(Rc::downgrade(toy)));
}

impl ToyHost {
    pub(super) fn new(lp: &Loop, local: bool) -> ToyHost {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        ToyHost {
            serial: SERIAL.fetch_add(1, Ordering::SeqCst),
            thread: std::thread::current().id(),
            inbox: lp.inbox.clone(),
            local,
            fault: Mutex::new((Fault::Drop, 0)),
            random: Mutex::new(Random(7)),
            posts: AtomicU32::default(),
            locals: AtomicU32::default(),
            refused: AtomicU32::default(),
            last_token: AtomicU64::default(),
            inlined: Mutex::default(),
            done: Mutex::default(),
            free_in_done: AtomicBool::default(),
            entered: Latch::default(),
            unblock: Latch::default(),
            stalls: Mutex::default(),
            stalled: Latch::default(),
        }
    }

    pub(super) fn set_fault(&self, fault: Fault, count: u32) {
        *self.fault.lock().unwrap() = (fault, count);
    }

    fn take(&self, token: u64) -> Posted {
        self.last_token.store(token, Ordering::SeqCst);
        let fault = {
            let mut fault = self.fault.lock().unwrap();
            let active = fault.1 > 0;
            fault.1 = if fault.1 == u32::MAX { u32::MAX } else { fault.1.saturating_sub(1) };
            active.then_some(fault.0)
        };
        let mut due = 0;
        let what = || What::Token(self.serial, token);
        match fault {
            Some(Fault::Drop) => return Posted::Queued,
            Some(Fault::Double) => self.inbox.push(0, what(), false),
            Some(Fault::Delay) => due = monotonic_ns() + 20 * MS,
            Some(Fault::Inline) => return self.inline(token),
            Some(Fault::Fail) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                return Posted::Later;
            }
            Some(Fault::Gone) => return Posted::Gone,
            Some(Fault::Block) => {
                self.entered.open();
                self.unblock.wait(1);
                self.entered.open();
                return Posted::Queued;
            }
            Some(Fault::Chaos) => match self.random.lock().unwrap().below(100) {
                0..=9 => return Posted::Queued,
                10..=19 => self.inbox.push(0, what(), false),
                20..=29 => return self.inline(token),
                n => due = monotonic_ns() + n * MS / 500,
            },
            Some(Fault::Reorder) | None => {}
        }
        self.inbox.push(due, what(), fault == Some(Fault::Reorder));
        Posted::Queued
    }

    /// The toy of this host, if this is its thread.
    fn toy(&self) -> Option<Rc<Toy>> {
        let here = HERE.with_borrow(|toys| toys.iter().filter_map(Weak::upgrade).collect::<Vec<_>>());
        here.into_iter().find(|toy| toy.host.serial == self.serial)
    }

    fn inline(&self, token: u64) -> Posted {
        if let Some(toy) = self.toy() {
            let result = toy.guest().deliver(token);
            self.inlined.lock().unwrap().push(result);
        }
        Posted::Queued
    }
}

impl Host for ToyHost {
    fn post(&self, token: u64) -> Posted {
        self.posts.fetch_add(1, Ordering::SeqCst);
        self.take(token)
    }

    fn post_local(&self, token: u64) -> Posted {
        on_thread(self.thread, "post_local");
        if !self.local {
            return self.post(token);
        }
        self.locals.fetch_add(1, Ordering::SeqCst);
        self.take(token)
    }

    fn done(&self, status: Status) {
        on_thread(self.thread, "done");
        self.done.lock().unwrap().push((status, next_in_order()));
        if let Some(toy) = self.toy().filter(|_| self.free_in_done.load(Ordering::SeqCst)) {
            toy.free();
        }
    }

    fn on_stall(&self, kind: Stall, nanoseconds: u64) {
        if std::thread::current().id() == self.thread {
            wrong_thread("on_stall");
        }
        self.stalls.lock().unwrap().push((kind, nanoseconds));
        self.stalled.open();
    }
}
