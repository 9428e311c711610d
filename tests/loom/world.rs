//! What stands around the hand-off in the library: poller, gate, clock, the host's queue, the I/O
//! thread and a delivery, each reduced to what its file promises.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::batch::{End, HandOff, Pauses};
use crate::posts::Posts;

const MS: u64 = 1_000_000;

/// The poller and the one-shot gate before it.
#[derive(Default)]
struct Gate {
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
    gate: Mutex<Gate>,
    gate_changed: Condvar,
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
            gate: Mutex::new(Gate { armed: true, ..Gate::default() }),
            gate_changed: Condvar::new(),
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

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.lock().unwrap());
        self.gate_changed.notify_all();
    }

    /// Something happens to an fd.
    pub fn fire(&self, event: u32) {
        self.change(|gate| gate.fds.push(event));
    }

    pub fn wake(&self) {
        self.change(|gate| gate.woken = true);
    }

    /// Makes the I/O thread look at the hand-off.
    fn kick(&self) {
        self.change(|gate| gate.kicked = true);
    }

    fn arm(&self) {
        self.change(|gate| gate.armed = true);
    }

    /// `guest_post`.
    pub fn push(&self, event: u32) -> bool {
        match self.posts.push(event) {
            Ok(wake) => {
                if wake {
                    self.wake();
                }
                true
            }
            Err(_) => false,
        }
    }

    /// `guest_cancel`.
    pub fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Sleeps until the gate opens (`true`), a kick or, should time pass, `until`.
    fn wait(&self, until: Option<u64>) -> bool {
        let mut gate = self.gate.lock().unwrap();
        loop {
            if gate.armed && (gate.woken || !gate.fds.is_empty()) {
                gate.armed = false;
                return true;
            }
            if std::mem::take(&mut gate.kicked) {
                return false;
            }
            if let Some(until) = until.filter(|_| gate.time_passes > 0) {
                gate.time_passes -= 1;
                self.now.fetch_max(until, Ordering::SeqCst);
                return false;
            }
            gate = self.gate_changed.wait(gate).unwrap();
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
                        Some((token, first)) => world.post(token, first),
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
    covered: bool,
    /// A delivery goes on that will look again.
    looking: bool,
    pub closed: bool,
}

impl Host {
    pub fn new(world: &Arc<World>, budget: usize) -> Host {
        Host {
            world: world.clone(),
            seen: Vec::new(),
            ready: VecDeque::new(),
            budget,
            covered: false,
            looking: false,
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
        self.world.change(|gate| gate.time_passes = 6);
        let token = self.next_token();
        self.world.change(|gate| gate.time_passes = 0);
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
        (self.looking, self.covered) = (true, begun.watched);
        let mut left = self.budget;
        while left > 0 {
            if self.ready.is_empty() {
                self.collect();
            }
            let Some(event) = self.ready.pop_front() else { break };
            left -= 1;
            self.seen.push(event);
            // Posts that are ready are owed to a nested loop (`Reactor::owes`).
            if !self.ready.is_empty() {
                self.cover();
            }
            callback(self, event);
            if !self.looking {
                // It ran a nested loop, whose last delivery ended.
                (self.looking, self.covered) = (true, false);
            }
        }
        self.looking = false;
        let more = !self.ready.is_empty() || !world.posts.arm();
        match world.hand_off.end(more, world.now()) {
            End::Nothing => {}
            End::Arm => world.arm(),
            End::Post(token, unwatched) => {
                world.post(token, true);
                if unwatched {
                    world.kick();
                }
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
        world.change(|gate| {
            gate.woken = false;
            self.ready.extend(gate.fds.drain(..));
        });
        let mut posts = VecDeque::new();
        world.posts.drain(!self.covered, &mut posts);
        self.ready.append(&mut posts);
    }

    /// Makes sure that a nested loop gets a token (`Shared::cover`).
    pub fn cover(&mut self) {
        if !std::mem::replace(&mut self.covered, true) && self.world.hand_off.cover(self.world.now()) {
            self.world.kick();
        }
    }
}
