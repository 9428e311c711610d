//! Hazard: several guests, on one thread and on several.

use crate::common::*;

/// `count` guests on one loop, drives mixed, each with a timer, an fd and posts of its own.
fn on_one_thread(count: usize) {
    let _alone = alone();
    let lp = Loop::open();
    let start = |i: usize| {
        let toy = Toy::on(&lp, options([Drive::Thread, Drive::Fd][i % 2]), false);
        let (timer, fd, posts, pipe) = (Probe::new(), Probe::new(), Probe::shared(), Channel::new());
        let watched = timer.clone();
        toy.add_timer(MS, MS, &timer, move |handle| {
            if watched.calls() == 5 {
                handle.close(watched.id.get().unwrap()).unwrap();
            }
        });
        toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
        (toy, timer, fd, posts, pipe)
    };
    let all: Vec<_> = (0..count).map(start).collect();
    for _ in 0..5 {
        for (toy, _, _, posts, pipe) in &all {
            pipe.write(1);
            toy.post(posts, nothing);
        }
    }
    for (toy, timer, fd, posts, _) in &all {
        toy.run_until(|| timer.drops() == 1 && fd.calls() == 5 && posts.drops() == 5);
        assert_eq!((timer.calls(), posts.calls()), (5, 5));
    }
    for (toy, _, fd, _, _) in &all {
        toy.end(); // the others live on meanwhile
        assert_eq!(fd.drops(), 1);
    }
}

#[test]
fn two_guests_on_one_thread() {
    on_one_thread(2);
}

#[test]
fn fifty_guests_on_one_thread() {
    on_one_thread(50);
}

#[test]
fn eight_threads_with_a_guest_each() {
    let _alone = alone();
    let run = |drive| {
        let (toy, timer, posts) = (Toy::start(drive), Probe::new(), Probe::shared());
        toy.add_timer(MS, MS, &timer, nothing);
        for drops in 1..=100 {
            toy.post(&posts, nothing);
            toy.run_until(|| posts.drops() == drops);
        }
        toy.run_until(|| timer.calls() >= 5);
        toy.end();
    };
    let threads = (0..8).map(|i| std::thread::spawn(move || run([Drive::Thread, Drive::Fd][i % 2])));
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn start_and_free_a_hundred_times() {
    let _alone = alone();
    for i in 0..100 {
        let (toy, probe) = (Toy::start([Drive::Thread, Drive::Fd, Drive::Run][i % 3]), Probe::new());
        toy.add_timer(0, 0, &probe, nothing);
        toy.free();
        assert_eq!((probe.drops(), toy.done_status()), (1, Status::OK));
    }
}

/// A guest that runs inside another guest's callback, on the same thread.
#[test]
fn guest_inside_the_callback_of_another() {
    let _alone = alone();
    let (outer, probe) = (Toy::start(Drive::Thread), Probe::new());
    outer.add_timer(0, 0, &probe, |_| {
        let (inner, timer) = (Toy::start(Drive::Thread), Probe::new());
        inner.add_timer(MS, 0, &timer, nothing);
        inner.run_until(|| timer.drops() == 1);
        inner.end();
    });
    outer.run_until(|| probe.drops() == 1);
    outer.end();
}

/// A guest let go of inside another guest's callback, while its own delivery is further down the stack.
#[test]
fn guest_dropped_inside_the_callback_of_another() {
    let _alone = alone();
    let (a, b) = (Toy::with(manual(Drive::Fd).0), Toy::with(manual(Drive::Fd).0));
    let (in_a, in_b, parked) = (Probe::new(), Probe::new(), Probe::new());
    a.add_timer(FOREVER, 0, &parked, nothing);
    let victim = a.clone();
    b.add_timer(0, 0, &in_b, move |_| victim.free());
    let other = b.clone();
    a.add_timer(0, 0, &in_a, move |_| other.deliver(0));
    a.deliver(0);
    assert_eq!((in_a.calls(), in_b.calls(), parked.drops()), (1, 1, 1));
    assert_eq!((a.done_status(), b.done()), (Status::OK, 0));
    b.end();
}

thread_local! {
    static CROSSING: RefCell<Vec<(Rc<Guest>, Arc<Crossing>)>> = RefCell::default();
}

/// The host of one of two guests. Its post on the host thread delivers what the other guest has posted.
#[derive(Default)]
struct Crossing {
    other: usize,
    token: AtomicU64,
    posted: Latch,
    delivered: Mutex<Vec<Result<()>>>,
}

impl Host for Crossing {
    fn post(&self, token: u64) -> Posted {
        self.token.store(token, Ordering::SeqCst);
        self.posted.open();
        Posted::Queued
    }

    fn post_local(&self, _token: u64) -> Posted {
        let (guest, host) = CROSSING.with_borrow(|both| both[self.other].clone());
        let delivered = guest.deliver(host.token.swap(0, Ordering::SeqCst));
        self.delivered.lock().unwrap().push(delivered);
        Posted::Queued
    }
}

#[test]
fn post_that_delivers_another_guest_which_posts_is_still_refused() {
    let _alone = alone();
    for other in [1, 0] {
        let host = Arc::new(Crossing { other, ..Crossing::default() });
        let options = Options { batch_budget: 1, ..patient(Drive::Thread) };
        let guest = Rc::new(Guest::start(host.clone(), options).unwrap());
        (0..2).for_each(|_| guest.poster().post(|_| ()).unwrap());
        host.posted.wait(1);
        CROSSING.with_borrow_mut(|both| both.push((guest, host)));
    }
    let both = CROSSING.take();
    CROSSING.set(both.clone());
    let delivered = |which: usize| std::mem::take(&mut *both[which].1.delivered.lock().unwrap());
    both[0].0.deliver(both[0].1.token.swap(0, Ordering::SeqCst)).unwrap();
    assert!(matches!(&delivered(0)[..], [Ok(())]), "the other guest's");
    assert!(matches!(&delivered(1)[..], [Err(error)] if error.status == Status::INLINE));
    CROSSING.take();
    both.iter().for_each(|(guest, _)| guest.shutdown(SECOND).unwrap());
}

/// The guest in drive FD as a source of another guest: loops nest without threads.
#[cfg(unix)] // what a host of Windows watches is a handle: handles.rs
#[test]
fn guest_as_an_fd_of_another_guest() {
    let _alone = alone();
    let (inner, outer) = (Toy::start(Drive::Fd), Toy::start(Drive::Thread));
    let (bridge, timer) = (Probe::new(), Probe::new());
    let bridged = inner.clone();
    let id = outer.add_fd(inner.guest().fd().unwrap(), READABLE, &bridge, move |_| bridged.deliver(0));
    inner.add_timer(MS, MS, &timer, nothing);
    outer.run_until(|| timer.calls() >= 5);
    outer.handle().close(id).unwrap();
    outer.run_until(|| bridge.drops() == 1);
    inner.end();
    outer.end();
}

#[test]
fn host_thread_is_that_of_start() {
    let _alone = alone();
    let run = || {
        let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
        assert!(toy.poster.on_host_thread());
        toy.add_timer(MS, 0, &probe, nothing);
        toy.run_until(|| probe.drops() == 1);
        toy.end();
    };
    std::thread::spawn(run).join().unwrap();
}
