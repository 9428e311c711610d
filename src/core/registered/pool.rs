//! L2. A bounded pool of threads for blocking work.
//!
//! Owns: the threads and the queue before them. Started by the host thread as work arrives, up to
//! the limit; they end when the pool is dropped and their last job is done.

use std::cell::RefCell;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{unbounded, Receiver, Sender};

use crate::core::live;
use crate::sys;

/// What a thread of the pool does: the task, and then telling whoever waits for it. Apart, because a
/// pool whose tasks have all been told must count as idle: its end then joins the threads.
pub(crate) struct Task {
    pub(crate) body: Box<dyn FnOnce() + Send>,
    pub(crate) tell: Box<dyn FnOnce() + Send>,
}

pub(crate) struct Pool {
    /// `None` only while the pool is dropped.
    queue: Option<Sender<Task>>,
    waiting: Receiver<Task>,
    threads: RefCell<Vec<JoinHandle<()>>>,
    limit: u32,
    /// Tasks handed in and not yet finished.
    busy: Arc<AtomicU32>,
}

impl Pool {
    pub(crate) fn new(limit: u32) -> Pool {
        let (queue, waiting) = unbounded();
        Pool { queue: Some(queue), waiting, threads: RefCell::default(), limit, busy: Arc::default() }
    }

    /// Queues a task; it runs in its turn. Fails only if not even one thread can be started.
    pub(crate) fn run(&self, task: Task) -> io::Result<()> {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst);
        let started = self.threads.borrow().len() as u32;
        if busy >= started && started < self.limit {
            if let Err(e) = self.start_thread() {
                // With fewer threads than wanted the others get to it; with none nobody would.
                if started == 0 {
                    self.busy.fetch_sub(1, Ordering::SeqCst);
                    return Err(e);
                }
            }
        }
        let sent = self.queue.as_ref().map(|queue| queue.send(task));
        debug_assert!(matches!(sent, Some(Ok(()))), "the pool holds a receiver itself");
        Ok(())
    }

    fn start_thread(&self) -> io::Result<()> {
        let (waiting, busy) = (self.waiting.clone(), self.busy.clone());
        let alive = live::Alive::<{ live::THREADS }>::default();
        let thread = sys::spawn("asyncguest-work", move || {
            for task in waiting.iter() {
                // A job's panic is its own; it must not take the thread from the others.
                let _ = catch_unwind(AssertUnwindSafe(task.body));
                busy.fetch_sub(1, Ordering::SeqCst);
                (task.tell)();
            }
            drop(alive);
        })?;
        self.threads.borrow_mut().push(thread);
        Ok(())
    }
}

impl Drop for Pool {
    /// Idle threads are joined, which takes no time. If a job still runs it was abandoned, and the
    /// threads end by themselves after it.
    fn drop(&mut self) {
        self.queue = None;
        if self.busy.load(Ordering::SeqCst) == 0 {
            for thread in self.threads.get_mut().drain(..) {
                // Panics of jobs are caught, so there is none to report.
                let _ = thread.join();
            }
        }
    }
}
