//! What stands around the hand-off in the library: poller, latch, clock, the host's queue, the I/O
//! thread and a delivery, each reduced to what its file promises.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::handoff::{End, HandOff, Pauses, Post};
use crate::posts::Posts;

const MS: u64 = 1_000_000;

/// The poller and the one-shot latch before it.
#[derive(Default)]
struct Latch {
    /// Events of fds that nobody has read.
    fds: Vec<u32>,
    /// The waker's event.
    woken: bool,
    armed: bool,
    kicked: bool,
    /// So many sleeps by the clock may end; time stands still otherwise, or no program would end.
    time_passes: u32,
}

/// What the host's post function does, and what it has queued.
#[derive(Default)]
struct Queue {
    tokens: VecDeque<u64>,
    /// So many posts fail.
    refusals: u32,
    /// A token was posted again, and may come when it is an old one.
    repeated: bool,
}

/// The half that every thread may touch (`core/shared.rs`).
pub struct World {
    pub hand_off: HandOff,
    posts: Posts<u32>,
    latch: Mutex<Latch>,
    latch_changed: Condvar,
    queue: Mutex<Queue>,
    queue_changed: Condvar,
    stopping: AtomicBool,
    cancelled: AtomicBool,
    /// A std atomic: reading the time is no step of its own.
    now: AtomicU64,
}

impl World {
    pub fn new() -> Arc<World> {
        let pauses = Pauses { nested_after: 10 * MS, repost_after: 30 * MS, stall_after: 0 };
        Arc::new(World {
            hand_off: HandOff::new(1, pauses),
            posts: Posts::new(),
            latch: Mutex::new(Latch { armed: true, ..Latch::default() }),
            latch_changed: Condvar::new(),
            queue: Mutex::default(),
            queue_changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            now: AtomicU64::new(0),
        })
    }

    pub fn refuse(&self, refusals: u32) {
        self.queue.lock().unwrap().refusals = refusals;
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut Latch)) {
        change(&mut self.latch.lock().unwrap());
        self.latch_changed.notify_all();
    }

    /// Something happens to an fd.
    pub fn fire(&self, event: u32) {
        self.change(|latch| latch.fds.push(event));
    }

    pub fn wake(&self) {
        self.change(|latch| latch.woken = true);
    }

    /// Makes the I/O thread look at the hand-off.
    fn kick(&self) {
        self.change(|latch| latch.kicked = true);
    }

    fn arm(&self) {
        self.change(|latch| latch.armed = true);
    }

    /// `guest_post`.
    pub fn push(&self, event: u32) -> bool {
        let pushed = self.posts.push(|| event);
        if pushed == Ok(true) {
            self.wake();
        }
        pushed.is_ok()
    }

    /// `guest_cancel`.
    pub fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Sleeps until the latch opens (`true`), a kick or, should time pass, `until`.
    fn wait(&self, until: Option<u64>) -> bool {
        let mut latch = self.latch.lock().unwrap();
        loop {
            if latch.armed && (latch.woken || !latch.fds.is_empty()) {
                latch.armed = false;
                return true;
            }
            if std::mem::take(&mut latch.kicked) {
                return false;
            }
            if let Some(until) = until.filter(|_| latch.time_passes > 0) {
                latch.time_passes -= 1;
                self.now.fetch_max(until, Ordering::SeqCst);
                return false;
            }
            latch = self.latch_changed.wait(latch).unwrap();
        }
    }

    /// `host.post`.
    fn post(&self, token: u64, first: bool) {
        let mut queue = self.queue.lock().unwrap();
        queue.repeated |= !first;
        if queue.refusals > 0 {
            queue.refusals -= 1;
            drop(queue);
            self.hand_off.post_failed(token, self.now());
            return;
        }
        // The host begins a token after taking it out, so what is in the queue is outstanding.
        assert!(queue.repeated || queue.tokens.is_empty(), "two tokens are outstanding");
        queue.tokens.push_back(token);
        self.queue_changed.notify_all();
    }

    /// The I/O thread (`core/io_thread.rs`).
    pub fn start_io_thread(world: &Arc<World>) -> JoinHandle<()> {
        let world = world.clone();
        thread::spawn(move || {
            let mut until = None;
            loop {
                let open = world.wait(until);
                if world.stopping.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(token) = open.then(|| world.hand_off.opened(world.now())).flatten() {
                    world.post(token, true);
                }
                until = loop {
                    let now = world.now();
                    let watch = world.hand_off.watch(now);
                    match watch.post {
                        None => break watch.sleep.map(|pause| now + pause),
                        Some(Post::First(token)) => world.post(token, true),
                        Some(Post::Again(token)) => world.post(token, false),
                    }
                };
            }
        })
    }

    pub fn stop_io_thread(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.kick();
    }
}

/// What a callback does.
pub type Callback<'a> = &'a mut dyn FnMut(&mut Host, u32);

/// The half that the host thread owns (`core/reactor.rs`, `core/deliver.rs`), and its loop.
pub struct Host {
    pub world: Arc<World>,
    /// Every event whose callback has run.
    pub seen: Vec<u32>,
    /// Found and not run yet.
    ready: VecDeque<u32>,
    /// So many callbacks per delivery.
    budget: usize,
    nested_wake: bool,
    /// A delivery goes on that will look again.
    in_delivery: bool,
    pub closed: bool,
}

impl Host {
    pub fn new(world: &Arc<World>, budget: usize) -> Host {
        Host {
            world: world.clone(),
            seen: Vec::new(),
            ready: VecDeque::new(),
            budget,
            nested_wake: false,
            in_delivery: false,
            closed: false,
        }
    }

    /// The host's loop sleeps until a token is queued, and takes it out. No time passes.
    pub fn next_token(&self) -> u64 {
        let mut queue = self.world.queue.lock().unwrap();
        loop {
            match queue.tokens.pop_front() {
                Some(token) => return token,
                None => queue = self.world.queue_changed.wait(queue).unwrap(),
            }
        }
    }

    /// The same while time passes, so that the I/O thread's clock is heard.
    pub fn next_token_in_time(&self) -> u64 {
        // A handful of looks at the clock is more than any of these programs needs.
        self.world.change(|latch| latch.time_passes = 6);
        let token = self.next_token();
        self.world.change(|latch| latch.time_passes = 0);
        token
    }

    /// Runs the host's loop until so many events were seen. A wake that is lost is a deadlock here.
    pub fn run_until(&mut self, count: usize, callback: Callback<'_>) {
        while self.seen.len() < count {
            let token = self.next_token();
            self.deliver(token, callback);
        }
    }

    /// `guest_deliver_batch`. `false`: stale.
    pub fn deliver(&mut self, token: u64, callback: Callback<'_>) -> bool {
        let world = self.world.clone();
        let Some(begun) = world.hand_off.begin(token, world.now()) else { return false };
        (self.in_delivery, self.nested_wake) = (true, begun.watched);
        let mut left = self.budget;
        while left > 0 {
            if self.ready.is_empty() {
                self.collect();
            }
            let Some(event) = self.ready.pop_front() else { break };
            left -= 1;
            self.seen.push(event);
            // Posts that are ready are owed to a nested loop (`Reactor::has_unpolled`).
            if !self.ready.is_empty() {
                self.ask_nested_wake();
            }
            callback(self, event);
            if !self.in_delivery {
                // It ran a nested loop, whose last delivery ended.
                (self.in_delivery, self.nested_wake) = (true, false);
            }
        }
        self.in_delivery = false;
        let more = !self.ready.is_empty() || !world.posts.arm();
        match world.hand_off.end(more, world.now()) {
            End::Nothing => {}
            End::Arm => world.arm(),
            End::Post(token) => world.post(token, true),
            End::PostAndKick(token) => {
                world.post(token, true);
                world.kick();
            }
        }
        true
    }

    fn collect(&mut self) {
        let world = self.world.clone();
        if world.cancelled.load(Ordering::SeqCst) && !self.closed {
            self.closed = true;
            world.posts.close();
        }
        world.change(|latch| {
            latch.woken = false;
            self.ready.extend(latch.fds.drain(..));
        });
        let mut posts = VecDeque::new();
        world.posts.drain(!self.nested_wake, &mut posts);
        self.ready.append(&mut posts);
    }

    /// Makes sure that a nested loop gets a token (`Shared::nested_wake`).
    pub fn ask_nested_wake(&mut self) {
        if !std::mem::replace(&mut self.nested_wake, true)
            && self.world.hand_off.nested_wake(self.world.now())
        {
            self.world.kick();
        }
    }
}
