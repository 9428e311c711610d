//! A thread's main loop: a queue, an eventfd, poll(2).

use super::*;
use std::collections::VecDeque;

struct Item {
    due: u64,
    what: What,
}

pub(super) enum What {
    Token(u64, u64),
    Call(Box<dyn FnOnce() + Send>),
}

/// The half of a loop that any thread may fill.
pub struct Inbox {
    items: Mutex<VecDeque<Item>>,
    wake: Wakeup,
}

impl Inbox {
    pub(super) fn push(&self, due: u64, what: What, in_front: bool) {
        let item = Item { due, what };
        let mut items = self.items.lock().unwrap();
        match in_front {
            true => items.push_front(item),
            false => items.push_back(item),
        }
        drop(items);
        self.wake.set();
    }

    /// Runs `f` on the loop's thread, in its turn.
    pub fn call(&self, f: impl FnOnce() + Send + 'static) {
        self.push(0, What::Call(Box::new(f)), false);
    }

    /// The first item that is due, or when the next one will be.
    fn pop(&self) -> std::result::Result<What, u64> {
        let now = monotonic_ns();
        let mut items = self.items.lock().unwrap();
        match items.iter().position(|item| item.due <= now) {
            Some(index) => Ok(items.remove(index).unwrap().what),
            None => Err(items.iter().map(|item| item.due).min().unwrap_or(FOREVER)),
        }
    }
}

/// One thread's main loop.
pub struct Loop {
    pub inbox: Arc<Inbox>,
    toys: RefCell<Vec<Weak<Toy>>>,
}

impl Drop for Loop {
    /// What has never run may hold the inbox that holds it.
    fn drop(&mut self) {
        let left = self.inbox.items.lock().map(|mut items| std::mem::take(&mut *items));
        drop(left);
    }
}

impl Loop {
    pub fn open() -> Rc<Loop> {
        let inbox = Inbox { items: Mutex::default(), wake: Wakeup::new() };
        Rc::new(Loop { inbox: Arc::new(inbox), toys: RefCell::default() })
    }

    /// Runs one item and the guests that are due, waiting until `until` at most.
    pub fn step(&self, until: u64) {
        self.inbox.wake.clear();
        let popped = self.inbox.pop();
        let watched = |toy: &Rc<Toy>| toy.drive == Drive::Fd && toy.guest.borrow().is_some();
        let toys: Vec<_> = self.toys().into_iter().filter(watched).collect();
        // Where the system has nothing to watch a host can only look again and again.
        let blind = cfg!(all(windows, asyncguest_inbox)) && !toys.is_empty();
        let watched = toys.iter().filter(|_| !blind).map(|toy| toy.guest().fd().unwrap());
        let fds: Vec<_> = std::iter::once(self.inbox.wake.fd()).chain(watched).collect();
        let now = monotonic_ns();
        let wait = popped.as_ref().map_or_else(|next| until.min(*next).saturating_sub(now), |_| 0);
        let mut ready = poll_fds(&fds, if blind { wait.min(MS) } else { wait });
        ready.resize(1 + toys.len(), blind);
        match popped {
            Ok(What::Call(f)) => f(),
            Ok(What::Token(serial, token)) => {
                if let Some(toy) = self.toys().into_iter().find(|toy| toy.host.serial == serial) {
                    toy.deliver(token);
                }
            }
            Err(_) => {}
        }
        for (toy, _) in toys.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            toy.deliver(0);
        }
    }

    pub fn run_for(&self, nanoseconds: u64) {
        let until = monotonic_ns() + nanoseconds;
        while monotonic_ns() < until {
            self.step(until);
        }
    }

    #[track_caller]
    pub fn run_until(&self, holds: impl Fn() -> bool) {
        let until = monotonic_ns() + 10 * SECOND;
        while !holds() {
            assert!(monotonic_ns() < until, "ran in vain for ten seconds");
            self.step(until);
        }
    }

    pub(super) fn add(&self, toy: &Rc<Toy>) {
        self.toys.borrow_mut().push(Rc::downgrade(toy));
    }

    fn toys(&self) -> Vec<Rc<Toy>> {
        self.toys.borrow().iter().filter_map(Weak::upgrade).collect()
    }
}
