//! The host thread's place: what it does without a lock is over when another thread has adopted the guest.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{fence, Ordering};
use loom::sync::Arc;
use loom::thread;

use crate::host_thread::HostThread;

const FIRST: usize = 1;
const SECOND: usize = 2;

struct World {
    host: HostThread,
    own_posts: UnsafeCell<u32>,
}

impl World {
    fn new(may_stay: bool) -> Arc<World> {
        Arc::new(World { host: HostThread::new(FIRST, may_stay), own_posts: UnsafeCell::new(0) })
    }

    /// Loom fails if another thread does so at the same time.
    fn post(&self, me: usize) -> bool {
        // SAFETY: loom checks it.
        self.host.stay(me, || self.own_posts.with_mut(|posts| unsafe { *posts += 1 })).is_some()
    }

    fn adopt(&self, me: usize) {
        let every_thread = || {
            fence(Ordering::SeqCst);
            Ok::<(), ()>(())
        };
        assert_eq!(self.host.adopt(me, every_thread, thread::yield_now), Ok(()));
    }

    fn posts(&self) -> u32 {
        // SAFETY: loom checks it.
        self.own_posts.with(|posts| unsafe { *posts })
    }
}

#[test]
fn nobody_posts_without_a_lock_while_another_thread_is_the_host_thread() {
    loom::model(|| {
        let world = World::new(true);
        let second = {
            let world = world.clone();
            thread::spawn(move || {
                world.adopt(SECOND);
                assert!(!world.post(SECOND), "only the first host thread ever does");
                world.posts()
            })
        };
        let posted = [world.post(FIRST), world.post(FIRST)].map(u32::from).iter().sum::<u32>();
        assert_eq!(second.join().unwrap(), posted);
        assert!(!world.post(FIRST));
        world.adopt(FIRST);
        assert!(world.post(FIRST));
        assert_eq!(world.posts(), posted + 1);
    });
}

#[test]
fn where_no_thread_can_be_fenced_by_another_nobody_stays() {
    loom::model(|| {
        let world = World::new(false);
        let refuse = || -> Result<(), ()> { unreachable!() };
        assert!(!world.post(FIRST));
        assert_eq!(world.host.adopt(SECOND, refuse, thread::yield_now), Ok(()));
        assert!(world.host.is(SECOND));
    });
}
