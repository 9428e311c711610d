//! The queue of posts: nothing lost, nothing doubled, one wake per burst.

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::posts::{Posts, Refused};

/// A queue and the waker of its host side.
struct Inbox {
    posts: Posts<u32>,
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Inbox {
    fn new() -> Arc<Inbox> {
        Arc::new(Inbox { posts: Posts::new(), woken: Mutex::new(false), changed: Condvar::new() })
    }

    fn wake(&self) {
        let mut woken = self.woken.lock().unwrap();
        assert!(!*woken, "a second wake for one sleep");
        *woken = true;
        self.changed.notify_one();
    }

    fn push(&self, item: u32) -> bool {
        let pushed = self.posts.push(|| item);
        if pushed == Ok(true) {
            self.wake();
        }
        pushed.is_ok()
    }

    fn drain(&self, armed: bool) -> VecDeque<u32> {
        let mut items = VecDeque::new();
        self.posts.drain(armed, &mut items);
        items
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }

    /// The host side as a delivery does it: drain, look again, arm, sleep.
    fn receive(&self, count: usize) -> Vec<u32> {
        self.sleep();
        let mut received = Vec::new();
        loop {
            received.extend(self.drain(false));
            if received.len() == count {
                return received;
            }
            if self.posts.arm() {
                self.sleep();
            }
        }
    }
}

#[test]
fn two_producers_and_a_sleeping_consumer() {
    loom::model(|| {
        let inbox = Inbox::new();
        let producers: Vec<_> = [10, 20]
            .into_iter()
            .map(|base| {
                let inbox = inbox.clone();
                thread::spawn(move || (1..=2).for_each(|n| assert!(inbox.push(base + n))))
            })
            .collect();
        let mut received = inbox.receive(4);
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(inbox.drain(false).is_empty());
        let at = |item| received.iter().position(|&other| other == item).unwrap();
        assert!(at(11) < at(12) && at(21) < at(22), "{received:?}");
        received.sort_unstable();
        assert_eq!(received, [11, 12, 21, 22]);
    });
}

#[test]
fn who_is_woken_finds_what_woke_without_asking_to_be_woken_again() {
    loom::model(|| {
        let inbox = Inbox::new();
        let producers: Vec<_> = [10, 20]
            .into_iter()
            .map(|item| {
                let inbox = inbox.clone();
                thread::spawn(move || assert!(inbox.push(item)))
            })
            .collect();
        let mut received = Vec::new();
        while received.len() < 2 {
            inbox.sleep();
            let items = inbox.drain(true);
            assert!(!items.is_empty(), "woken for nothing");
            received.extend(items);
        }
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(inbox.posts.arm(), "nothing is left");
        received.sort_unstable();
        assert_eq!(received, [10, 20]);
    });
}

#[test]
fn closing_gives_back_exactly_what_was_not_accepted() {
    loom::model(|| {
        let inbox = Inbox::new();
        let producers: Vec<_> = [10, 20]
            .into_iter()
            .map(|base| {
                let inbox = inbox.clone();
                thread::spawn(move || {
                    (1..=2).map(|n| base + n).filter(|&item| inbox.push(item)).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut drained = Vec::from(inbox.drain(false));
        inbox.posts.close();
        drained.extend(inbox.drain(true));
        let mut accepted: Vec<_> = producers.into_iter().flat_map(|p| p.join().unwrap()).collect();
        accepted.sort_unstable();
        drained.sort_unstable();
        assert_eq!(drained, accepted);
        assert!(inbox.drain(false).is_empty());
        assert!(!inbox.push(1));
    });
}

/// User code runs when it is dropped, and it may post.
#[test]
fn what_is_refused_is_dropped_without_the_lock() {
    struct Pushes(Arc<Inbox>);
    impl Drop for Pushes {
        fn drop(&mut self) {
            assert!(!self.0.push(2));
        }
    }
    loom::model(|| {
        let inbox = Inbox::new();
        inbox.posts.close();
        let refused = Pushes(inbox.clone());
        assert_eq!(inbox.posts.push(move || refused.0.posts.accepted() as u32), Err(Refused::Closed));
    });
}

/// So what the host thread puts into a queue of its own comes before all of this one.
#[test]
fn what_the_host_thread_can_know_of_is_not_overlooked_without_the_lock() {
    loom::model(|| {
        let inbox = Inbox::new();
        let told = Arc::new(AtomicBool::new(false));
        let producer = thread::spawn({
            let (inbox, told) = (inbox.clone(), told.clone());
            move || {
                inbox.push(1);
                told.store(true, Ordering::Release);
            }
        });
        let early = inbox.drain(false);
        let known = told.load(Ordering::Acquire);
        assert!(!known || !early.is_empty() || !inbox.posts.is_empty());
        producer.join().unwrap();
        assert_eq!(early.len() + inbox.drain(true).len(), 1);
    });
}

#[test]
fn what_the_host_side_waits_for_comes_also_after_closing() {
    loom::model(|| {
        let inbox = Inbox::new();
        let worker = inbox.clone();
        let worker = thread::spawn(move || {
            if worker.posts.push_awaited(7) {
                worker.wake();
            }
        });
        inbox.posts.close();
        let mut drained = inbox.drain(true);
        if drained.is_empty() {
            inbox.sleep();
            drained = inbox.drain(false);
        }
        assert_eq!(drained, [7]);
        worker.join().unwrap();
    });
}
