//! Hazard: work on the pool. Off the host thread, its end on it; bounded; cancellable before start.

use crate::common::*;

/// Work that says when it starts and waits to be released.
struct Piece {
    started: Arc<Latch>,
    release: Arc<Latch>,
    runs: Arc<AtomicU32>,
}

impl Piece {
    fn new() -> Piece {
        Piece { started: Latch::new(), release: Latch::new(), runs: Arc::default() }
    }

    fn body(&self) -> impl FnOnce() + Send + 'static {
        let (started, release, runs) = (self.started.clone(), self.release.clone(), self.runs.clone());
        let host = std::thread::current().id();
        move || {
            assert_ne!(std::thread::current().id(), host);
            runs.fetch_add(1, Ordering::SeqCst);
            started.open();
            release.wait(1);
        }
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

fn with_threads(work_threads: u32) -> Rc<Toy> {
    Toy::with(Options { work_threads, ..Options::default() })
}

fn off_thread(drive: Drive) {
    let _alone = alone();
    let (toy, piece, probe) = (Toy::start(drive), Piece::new(), Probe::new());
    let id = toy.add_work(&probe, piece.body());
    piece.started.wait(1);
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 0, "it has not returned yet");
    piece.release.open();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!((probe.calls(), piece.runs()), (1, 1));
    assert_eq!(refused(toy.handle().close(id)), Status::STALE);
    toy.end();
}

#[test]
fn work_runs_off_the_host_thread_thread() {
    off_thread(Drive::Thread);
}

#[test]
fn work_runs_off_the_host_thread_fd() {
    off_thread(Drive::Fd);
}

/// It has returned, and nobody has been told yet.
#[test]
fn work_closed_and_over_when_the_guest_ends() {
    let _alone = alone();
    let (toy, piece, probe) = (Toy::start(Drive::Fd), Piece::new(), Probe::new());
    let id = toy.add_work(&probe, piece.body());
    piece.started.wait(1);
    toy.handle().close(id).unwrap();
    toy.deliver(0);
    assert_eq!(probe.drops(), 0, "it still runs");
    let fd = toy.guest().fd().unwrap();
    assert!(!poll_fds(&[fd], 0)[0]);
    piece.release.open();
    eventually(|| poll_fds(&[fd], 0)[0]);
    toy.free();
    assert_eq!((probe.calls(), probe.drops(), toy.done()), (0, 1, 1));
}

#[test]
fn work_cancelled_before_start() {
    let _alone = alone();
    let toy = with_threads(1);
    let (pieces, probes) = ([Piece::new(), Piece::new()], [Probe::new(), Probe::new()]);
    toy.add_work(&probes[0], pieces[0].body());
    // The body of one that never starts is dropped on the host thread, like its callback.
    let (body, mut held) = (pieces[1].body(), OnHost::new(()));
    let id = toy.add_work(&probes[1], move || {
        held.get();
        body();
    });
    pieces[0].started.wait(1);
    toy.handle().close(id).unwrap();
    toy.run_until(|| probes[1].drops() == 1);
    pieces[0].release.open();
    toy.run_until(|| probes[0].drops() == 1);
    assert_eq!((pieces[1].runs(), probes[1].calls()), (0, 0));
    toy.end();
    assert_eq!(pieces[1].runs(), 0);
}

#[test]
fn work_closed_while_running() {
    let _alone = alone();
    let (toy, piece, probe) = (Toy::start(Drive::Thread), Piece::new(), Probe::new());
    let id = toy.add_work(&probe, piece.body());
    piece.started.wait(1);
    toy.handle().close(id).unwrap();
    toy.run_for(10 * MS);
    assert_eq!(probe.drops(), 0, "it still runs");
    piece.release.open();
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 0);
    toy.end();
}

#[test]
fn work_pool_is_bounded() {
    let _alone = alone();
    let (toy, probe) = (with_threads(2), Probe::shared());
    let counts: Arc<[AtomicU32; 3]> = Arc::default();
    for _ in 0..50 {
        let counts = counts.clone();
        toy.add_work(&probe, move || {
            let [running, most, finished] = &*counts;
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            pass(MS / 2);
            // On a busy machine the second thread may come late: the first piece waits for it.
            let since = std::time::Instant::now();
            while most.load(Ordering::SeqCst) < 2 && since.elapsed().as_secs() < 5 {
                pass(MS);
            }
            running.fetch_sub(1, Ordering::SeqCst);
            finished.fetch_add(1, Ordering::SeqCst);
        });
    }
    toy.run_until(|| probe.drops() == 50);
    assert_eq!(probe.calls(), 50);
    let counts = counts.each_ref().map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counts, [0, 2, 50], "never more than two, and no fewer either with fifty to do");
    toy.end();
}

#[test]
fn work_starts_in_the_order_given() {
    let _alone = alone();
    let (toy, probe) = (with_threads(1), Probe::shared());
    let order = Arc::new(Mutex::new(Vec::new()));
    for i in 0..100 {
        let order = order.clone();
        toy.add_work(&probe, move || order.lock().unwrap().push(i));
    }
    toy.run_until(|| probe.drops() == 100);
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
    toy.end();
}

#[test]
fn work_ends_while_the_guest_ends() {
    let _alone = alone();
    let (toy, piece, probe) = (Toy::start(Drive::Thread), Piece::new(), Probe::new());
    toy.add_work(&probe, piece.body());
    piece.started.wait(1);
    toy.poster.cancel();
    toy.run_for(20 * MS);
    assert_eq!(toy.done(), 0, "done waits for it, without blocking the host");
    piece.release.open();
    toy.run_until(|| toy.done() > 0);
    assert_eq!((probe.drops(), probe.calls()), (1, 0));
    toy.free();
}

#[test]
fn work_may_post() {
    let _alone = alone();
    let (toy, work, post) = (Toy::start(Drive::Fd), Probe::new(), Probe::new());
    let (poster, posted) = (toy.poster.clone(), post.post(nothing));
    toy.add_work(&work, move || poster.post(posted).unwrap());
    toy.run_until(|| work.drops() == 1 && post.drops() == 1);
    assert_eq!(post.calls(), 1);
    toy.end();
}

#[test]
fn work_hands_its_result_over() {
    let _alone = alone();
    for drive in [Drive::Thread, Drive::Fd] {
        let (toy, probe) = (Toy::start(drive), Probe::new());
        let got = Rc::new(RefCell::new(String::new()));
        let seen = got.clone();
        let done = probe.worked(move |handle, text: String| {
            handle.timer_add(FOREVER, 0, |_, _, _| {}).unwrap();
            *seen.borrow_mut() = text;
        });
        toy.handle().work(|| "from the pool".to_owned(), done).unwrap();
        toy.run_until(|| probe.drops() == 1);
        assert_eq!((probe.calls(), got.borrow().as_str()), (1, "from the pool"));
        toy.end();
    }
}

/// Work that panics has no result: its callback is dropped, the pool and the guest go on.
#[test]
fn work_that_panics() {
    let _alone = alone();
    let (toy, probe, next) = (with_threads(1), Probe::new(), Probe::new());
    toy.add_work(&probe, || panic!("expected by this test"));
    toy.add_work(&next, || {});
    toy.run_until(|| probe.drops() == 1 && next.drops() == 1);
    assert_eq!((probe.calls(), next.calls()), (0, 1));
    toy.end();
}

/// A result that nobody takes any more is dropped, whichever thread has it last.
#[test]
fn work_result_of_a_closed_piece_is_dropped() {
    let _alone = alone();
    let (toy, piece, probe) = (Toy::start(Drive::Thread), Piece::new(), Probe::new());
    let result = Arc::new(());
    let (held, body) = (result.clone(), piece.body());
    let work = move || {
        body();
        held
    };
    let id = toy.handle().work(work, probe.worked(|_, _: Arc<()>| {})).unwrap();
    piece.started.wait(1);
    toy.handle().close(id).unwrap();
    piece.release.open();
    toy.run_until(|| probe.drops() == 1);
    eventually(|| Arc::strong_count(&result) == 1);
    assert_eq!(probe.calls(), 0);
    toy.end();
}

#[test]
fn work_threads_out_of_range() {
    let _alone = alone();
    for work_threads in [0, WORK_THREADS_MAX + 1, u32::MAX] {
        struct Nobody;
        impl Host for Nobody {
            fn post(&self, _: u64) -> Posted {
                Posted::Queued
            }
        }
        let started = Guest::start(Arc::new(Nobody), Options { work_threads, ..Options::default() });
        assert_eq!(refused(started), Status::INVAL);
    }
}
