//! Hazard: everything at once. A host that drops a tenth of what is posted, doubles a tenth, inlines
//! a tenth and delays the rest; and long sequences of calls against a model.

use crate::common::*;

/// 20 000 posts from four threads, and as many expirations, through the worst of hosts.
#[test]
fn posts_and_timers_survive_a_chaotic_host() {
    const THREADS: u32 = 4;
    const EACH: u32 = 5_000;
    let _alone = alone();
    let options = Options { repost_after: 2 * MS, nested_after: MS, batch_budget: MS, ..Options::default() };
    let toy = Toy::on(&Loop::open(), options, true);
    toy.fault(Fault::Chaos, u32::MAX);
    let handle = toy.handle();
    let fired = Rc::new(Cell::new(0));
    let mut random = Random(1);
    for _ in 0..THREADS * EACH {
        let (fired, delay) = (fired.clone(), random.below(300 * MS));
        let earliest = monotonic_ns() + delay;
        let callback = move |_: &Handle, _: Id, n: u64| {
            assert_eq!(n, 1);
            assert!(monotonic_ns() >= earliest);
            fired.set(fired.get() + 1);
        };
        handle.timer_add(delay, 0, callback).unwrap();
    }
    drop(handle);
    let ran: Arc<Vec<AtomicU32>> = Arc::new((0..THREADS).map(|_| AtomicU32::new(0)).collect());
    let post = |thread: usize| {
        let (poster, ran) = (toy.poster.clone(), ran.clone());
        move || {
            for i in 0..EACH {
                let ran = ran.clone();
                let post = move |_: &Handle| assert_eq!(ran[thread].fetch_add(1, Ordering::SeqCst), i);
                poster.post(post).unwrap();
                if i % 50 == 0 {
                    pass(MS / 5); // many bursts, not one
                }
            }
        }
    };
    let threads: Vec<_> = (0..THREADS as usize).map(|thread| std::thread::spawn(post(thread))).collect();
    let all = || ran.iter().all(|ran| ran.load(Ordering::SeqCst) == EACH);
    toy.run_until(|| all() && fired.get() == THREADS * EACH);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((Rc::strong_count(&fired), Arc::strong_count(&ran)), (1, 1), "all dropped");
    let stats = toy.stats();
    assert!(stats.tokens > 20 && stats.reposts > 0, "the host had its chances: {stats:?}");
    assert_eq!((stats.live_posts, stats.live_sources), (0, 0));
    toy.end();
}
