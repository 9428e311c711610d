//! Hazard: posts from other threads: none lost, none doubled, each thread's in order.

use crate::common::*;

const THREADS: usize = 8;
const EACH: u32 = 2_000;

fn from_eight_threads(drive: Drive) {
    let _alone = alone();
    let toy = Toy::start(drive);
    let ran: Arc<[AtomicU32; THREADS]> = Arc::default();
    let host = std::thread::current().id();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (poster, ran) = (toy.poster.clone(), ran.clone());
            std::thread::spawn(move || {
                for i in 0..EACH {
                    let ran = ran.clone();
                    let numbered = move |_: &Handle| {
                        on_thread(host, "a post");
                        assert_eq!(ran[thread].fetch_add(1, Ordering::SeqCst), i);
                    };
                    poster.post(numbered).unwrap();
                }
            })
        })
        .collect();
    let all = THREADS as u64 * u64::from(EACH);
    toy.run_until(|| toy.stats().events == all);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(ran.iter().all(|ran| ran.load(Ordering::SeqCst) == EACH));
    assert_eq!((toy.stats().live_posts, Arc::strong_count(&ran)), (0, 1));
    toy.end();
    assert_eq!(toy.stats().events, all);
}

#[test]
fn posts_from_eight_threads_thread() {
    from_eight_threads(Drive::Thread);
}

#[test]
fn posts_from_eight_threads_fd() {
    from_eight_threads(Drive::Fd);
}

#[test]
fn posts_burst_posts_one_token() {
    let _alone = alone();
    let (toy, probe) = (Toy::with(patient(Drive::Thread)), Probe::shared());
    toy.await_polling();
    for _ in 0..1000 {
        toy.post(&probe, nothing);
    }
    eventually(|| toy.posts() == 1);
    pass(10 * MS);
    assert_eq!((toy.posts(), toy.stats().live_posts), (1, 1000));
    toy.run_until(|| probe.drops() == 1000);
    assert_eq!(probe.calls(), 1000);
    toy.end();
}

#[test]
fn posts_after_cancel_are_refused() {
    let _alone = alone();
    let (toy, taken, late) = (Toy::start(Drive::Thread), Probe::new(), Probe::shared());
    toy.post(&taken, nothing);
    toy.poster.cancel();
    assert_eq!(refused(toy.poster.post(late.post(nothing))), Status::CLOSED);
    toy.run_until(|| toy.done() > 0);
    assert_eq!((taken.calls(), taken.drops()), (0, 1), "after a cancel only drops come");
    assert_eq!(refused(toy.poster.post(late.post(nothing))), Status::CLOSED);
    assert_eq!((late.calls(), late.drops()), (0, 2), "what is refused is dropped at once");
    toy.free();
}

#[test]
fn posts_never_run_are_dropped() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::shared());
    for _ in 0..100 {
        toy.post(&probe, nothing);
    }
    toy.free();
    assert_eq!((probe.calls(), probe.drops()), (0, 100));
}

/// Counts when it is dropped, on whatever thread.
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Posts that race with the end: each one, accepted or refused, is dropped once, and never runs after it.
#[test]
fn posts_race_with_the_end() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let (dropped, ran) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (poster, dropped, ran) = (toy.poster.clone(), dropped.clone(), ran.clone());
            std::thread::spawn(move || {
                let mut made = 0;
                loop {
                    let (counted, ran) = (Counted(dropped.clone()), ran.clone());
                    made += 1;
                    let post = move |_: &Handle| {
                        ran.fetch_add(1, Ordering::SeqCst);
                        drop(counted);
                    };
                    if poster.post(post).is_err() {
                        return made;
                    }
                }
            })
        })
        .collect();
    toy.run_until(|| dropped.load(Ordering::SeqCst) >= 1000);
    toy.free();
    let at_end = ran.load(Ordering::SeqCst);
    let made: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(dropped.load(Ordering::SeqCst), made);
    assert_eq!(ran.load(Ordering::SeqCst), at_end);
    assert_eq!(toy.done_status(), Status::OK);
}

/// The host sees a cancel at any moment of it; when it has seen it, nothing more is accepted. The cancel comes after so
/// many posts, and what comes after it is no more than the poster makes.
#[test]
fn posts_race_with_a_cancel() {
    let _alone = alone();
    for round in 0..200 {
        let toy = Toy::start(Drive::Fd);
        let dropped = Arc::new(AtomicU32::new(0));
        let (poster, canceller, counter) = (toy.poster.clone(), toy.poster.clone(), dropped.clone());
        let begun = Arc::new(AtomicBool::new(false));
        let begins = begun.clone();
        let cancelling = std::thread::spawn(move || {
            while !begun.load(Ordering::SeqCst) {
                std::thread::park();
            }
            canceller.cancel();
        });
        let waiting = cancelling.thread().clone();
        let posting = std::thread::spawn(move || {
            let mut made = 0;
            while made < 1000 {
                if made == round {
                    begins.store(true, Ordering::SeqCst);
                    waiting.unpark();
                }
                made += 1;
                let counted = Counted(counter.clone());
                if poster.post(move |_| drop(counted)).is_err() {
                    break;
                }
            }
            made
        });
        while toy.done() == 0 {
            toy.deliver(0);
        }
        // The one that was refused is dropped by the thread that made it.
        let (made, at_end): (u32, _) = (posting.join().unwrap(), dropped.load(Ordering::SeqCst));
        cancelling.join().unwrap();
        assert_eq!(at_end, made);
    }
}

#[test]
fn poster_outlives_the_guest() {
    let _alone = alone();
    let (toy, probe, late) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let poster = toy.poster.clone();
    poster.post(probe.post(nothing)).unwrap();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 1);
    toy.end();
    drop(toy);
    let refuse = move || refused(poster.post(|_| {})) == Status::CLOSED && poster.is_ended();
    assert!(std::thread::spawn(refuse).join().unwrap());
    assert_eq!(late.calls() + late.drops(), 0);
}

#[test]
fn poster_cancels_and_wakes() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let (poster, batches) = (toy.poster.clone(), toy.stats().batches);
    let wake = poster.clone();
    std::thread::spawn(move || wake.wake()).join().unwrap();
    toy.run_until(|| toy.stats().batches > batches);
    std::thread::spawn(move || poster.cancel()).join().unwrap();
    toy.run_until(|| toy.done() > 0);
    toy.free();
    assert_eq!(toy.done_status(), Status::OK);
}

/// What every thread may call, from a thread that is not the host's.
#[test]
fn any_thread_functions() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::shared());
    let (poster, posts) = (toy.poster.clone(), [probe.post(nothing), probe.post(nothing)]);
    let anything = move || {
        assert!(!poster.on_host_thread() && !poster.in_child() && !poster.is_ended());
        assert_ne!(poster.state(), State::Ended);
        assert_eq!(poster.stats().live_sources, 0);
        posts.into_iter().for_each(|post| poster.post(post).unwrap());
        poster.wake();
        poster.cancel();
        assert_eq!(refused(poster.post(|_| {})), Status::CLOSED);
    };
    std::thread::spawn(anything).join().unwrap();
    toy.run_until(|| toy.done() > 0);
    assert_eq!(probe.drops(), 2, "one drop for each post that was taken, run or not");
    toy.free();
}

/// A post made by a post belongs to a later pass: a chain of them does not hold up the host.
#[test]
fn posts_that_post() {
    fn chain(toy: &Rc<Toy>, probe: &P) {
        let (here, watched) = (toy.clone(), probe.clone());
        toy.post(probe, move |_| {
            if watched.calls() < 1000 {
                chain(&here, &watched);
            }
        });
    }
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    chain(&toy, &probe);
    toy.run_until(|| probe.drops() == 1000);
    assert_eq!((probe.calls(), probe.deepest.get()), (1000, 1));
    toy.end();
}

#[test]
fn wake_several_times_makes_one_delivery() {
    let _alone = alone();
    let toy = Toy::with(patient(Drive::Thread));
    toy.await_polling();
    (0..100).for_each(|_| toy.poster.wake());
    eventually(|| toy.posts() == 1);
    pass(10 * MS);
    assert_eq!(toy.posts(), 1);
    toy.run_until(|| toy.deliveries.get() == 1);
    toy.run_for(5 * MS);
    assert_eq!(toy.deliveries.get(), 1);
    toy.end();
}
