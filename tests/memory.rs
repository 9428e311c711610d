//! Hazard: memory runs out while something is registered or posted. It is refused with `NOMEM` and nothing else
//! happens: what was accepted before is there, and what comes after is accepted as soon as there is room.
//!
//! Requests above a limit fail on a thread that is starved, so that tables and queues cannot grow.

mod common;
use common::*;

use asyncguest::ffi;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::sync::atomic::AtomicUsize;
#[cfg(unix)]
use std::{
    io::Write,
    os::fd::{AsRawFd, IntoRawFd},
    os::unix::net::UnixStream,
};

struct Scarce;

/// The thread that is starved, and of how many bytes and more. No thread-local variable: where the system has none for
/// compilers, as mingw's, its first use in a thread allocates.
static STARVED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// How many bytes all threads have taken and not given back.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

fn granted(bytes: usize) -> bool {
    bytes < LIMIT.load(Ordering::Relaxed) || STARVED.load(Ordering::Relaxed) != this_thread()
}

// SAFETY: the system's allocator, or NULL, which says that there is no memory.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !granted(layout.size()) {
            return std::ptr::null_mut();
        }
        TAKEN.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !granted(size) {
            return std::ptr::null_mut();
        }
        TAKEN.fetch_add(size, Ordering::Relaxed);
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise; `alloc` took it from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

/// Runs `f` while this thread is refused `limit` bytes and more.
fn starved<T>(limit: usize, f: impl FnOnce() -> T) -> T {
    STARVED.store(this_thread(), Ordering::Relaxed);
    LIMIT.store(limit, Ordering::Relaxed);
    let result = f();
    LIMIT.store(usize::MAX, Ordering::Relaxed);
    result
}

/// More than any source needs for itself, and what a table of many hundreds exceeds.
const LARGE: usize = 16 << 10;
/// The same for tables of a few dozen.
#[cfg(unix)]
const SMALL: usize = 700;

/// Registers until that is refused: how much was accepted.
#[track_caller]
fn fill(limit: usize, mut add: impl FnMut() -> Result<Id>) -> Vec<Id> {
    let mut accepted = Vec::with_capacity(1 << 16);
    while accepted.len() < accepted.capacity() {
        match starved(limit, &mut add) {
            Ok(id) => accepted.push(id),
            Err(error) => {
                assert_eq!((error.status, error.os_error), (Status::NOMEM, None));
                return accepted;
            }
        }
    }
    panic!("nothing was refused");
}

/// Delivers in spite of the shortage until nothing is due.
fn deliver_starved(toy: &Toy, over: impl Fn() -> bool) {
    while !over() {
        starved(LARGE, || toy.guest().deliver(0)).unwrap();
    }
}

#[test]
fn memory_runs_out_for_sources() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let add = || toy.handle().timer_add(0, 0, probe.timer(nothing));
    let mut accepted = fill(LARGE, add);
    assert_eq!((probe.calls(), probe.drops()), (0, 1), "the refused callback is given up at once");
    assert!(starved(LARGE, add).is_err() && accepted.iter().all(|id| toy.handle().is_open(*id)));

    toy.handle().close(accepted.pop().unwrap()).unwrap();
    accepted.push(starved(LARGE, add).unwrap()); // in the place of the closed one
    let count = accepted.len() as u32;
    deliver_starved(&toy, || probe.calls() == count);
    assert_eq!(probe.drops(), count + 3, "the accepted ones, one that was closed, two that were refused");
    toy.end();
}

#[test]
fn memory_runs_out_for_timers_alone() {
    let _alone = alone();
    let toy = Toy::with(Options { work_threads: 1, ..options(Drive::Fd) });
    let (probe, work, latch) = (Probe::shared(), Probe::shared(), Latch::new());
    let wait = || {
        let latch = latch.clone();
        toy.handle().work(move || latch.wait(1), work.worked(|_, ()| {}))
    };
    // Now the table has places that are free, and the heap of the timers has none.
    let works = (0..1100).map(|_| wait().unwrap()).collect::<Vec<_>>().len() as u32;
    let accepted = fill(LARGE, || toy.handle().timer_add(0, 0, probe.timer(nothing))).len() as u32;
    starved(LARGE, wait).unwrap();
    deliver_starved(&toy, || probe.calls() == accepted);
    assert_eq!(probe.drops(), accepted + 1);
    latch.open();
    toy.run_until(|| work.drops() == works + 1);
    assert_eq!(work.calls(), works + 1);
    toy.end();
}

/// However many are armed at one time: room for a timer is made when it is registered.
#[test]
fn memory_is_not_needed_to_arm_a_timer() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let accepted = fill(LARGE, || toy.handle().timer_add(FOREVER, 0, probe.timer(nothing)));
    starved(0, || accepted.iter().for_each(|id| toy.handle().timer_modify(*id, 0, 0).unwrap()));
    deliver_starved(&toy, || probe.calls() == accepted.len() as u32);
    toy.end();
}

#[test]
fn memory_runs_out_for_posts() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let post = || toy.poster.post(probe.post(nothing));
    let mut accepted = 0;
    let refused = loop {
        match starved(LARGE, post) {
            Ok(()) => accepted += 1,
            Err(error) => break error.status,
        }
    };
    assert_eq!(refused, Status::NOMEM);
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    assert_eq!(toy.stats().live_posts, u64::from(accepted), "the refused one does not count");
    deliver_starved(&toy, || probe.calls() == accepted);
    starved(LARGE, post).unwrap();
    deliver_starved(&toy, || probe.calls() == accepted + 1);
    assert_eq!((probe.drops(), toy.stats().live_posts), (accepted + 2, 0));
    toy.end();
}

/// A queue that has held very many posts does not keep the room for them.
#[test]
fn memory_of_a_burst_of_posts_is_given_back() {
    const BURST: u32 = 1 << 17;
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let burst = |count: u32| {
        let drops = probe.drops() + count;
        (0..count).for_each(|_| toy.post(&probe, nothing));
        while probe.drops() < drops {
            let before = probe.drops();
            toy.run_until(|| probe.drops() > before); // however long a slow machine takes for all
        }
    };
    burst(1);
    let before = TAKEN.load(Ordering::Relaxed);
    burst(BURST);
    (0..3).for_each(|_| burst(1)); // what the queue is exchanged with is looked at in its turn
    let kept = TAKEN.load(Ordering::Relaxed).saturating_sub(before);
    assert!(kept < BURST as usize, "{kept} bytes");
    toy.end();
}

#[cfg(unix)] // numbers of sockets cannot be chosen: handles, below
#[test]
fn memory_runs_out_for_an_fd() {
    let _alone = alone();
    let (toy, probe, pipe) = (Toy::start(Drive::Fd), Probe::shared(), Channel::new());
    let high = pipe.duplicate_input(900);
    let add = |fd| toy.handle().fd_add(fd, READABLE, probe.fd(pipe.reader()));
    let status = refused(starved(SMALL, || add(high.as_raw_fd())));
    assert_eq!((status, probe.drops()), (Status::NOMEM, 1));
    pipe.write(1);
    toy.guest().deliver(0).unwrap();
    assert_eq!(probe.calls(), 0, "it is not in the kernel's set");
    let watched = add(high.as_raw_fd()).unwrap();
    toy.run_until(|| probe.calls() == 1);
    toy.handle().close(watched).unwrap();
    toy.end();
}

/// A stream reads with what there is; one that cannot keep what was written ends, and says so of both.
#[cfg(unix)] // there are no streams elsewhere yet
#[test]
fn memory_runs_out_for_a_stream() {
    let _alone = alone();
    let (toy, told) = (Toy::start(Drive::Fd), Rc::new(RefCell::new(Vec::new())));
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let log = told.clone();
    let see = move |_: &Handle, _: Id, event: StreamEvent<'_>| match event {
        StreamEvent::Data(bytes) => log.borrow_mut().push(bytes.len() as i32),
        StreamEvent::Closed(outcome) => log.borrow_mut().push(outcome.status.code()),
        _ => {}
    };
    let id = toy.handle().stream_adopt(ours.into_raw_fd(), StreamOptions::default(), see).unwrap();
    peer.write_all(&[7; 3000]).unwrap();
    let total = || told.borrow().iter().sum::<i32>();
    deliver_starved(&toy, || total() == 3000);
    assert!(told.borrow().len() > 1, "in small pieces: {:?}", told.borrow());

    told.borrow_mut().clear();
    let log = told.clone();
    let written = Written::new(move |outcome| log.borrow_mut().push(outcome.status.code()));
    let much = vec![7; 4 << 20];
    starved(LARGE, || toy.handle().stream_write(id, &much, Some(written))).unwrap();
    toy.run_until(|| told.borrow().len() == 2);
    assert_eq!(*told.borrow(), [Status::NOMEM.code(); 2]);
    toy.end();
}

#[cfg(windows)]
#[test]
fn memory_runs_out_for_handles() {
    let _alone = alone();
    let (toy, probe, event) = (Toy::start(Drive::Fd), Probe::shared(), Wakeup::new());
    let add = || toy.handle().handle_add(event.fd(), probe.fd(nothing));
    let accepted = fill(LARGE, add);
    let count = accepted.len() as u32;
    println!("{count} handles");
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    event.set();
    toy.run_until(|| probe.calls() >= count);
    event.clear();
    accepted.into_iter().for_each(|id| toy.handle().close(id).unwrap());
    let watched = starved(LARGE, add).unwrap();
    let calls = probe.calls();
    event.set();
    toy.run_until(|| probe.calls() > calls);
    toy.handle().close(watched).unwrap();
    toy.end();
}

#[cfg(unix)] // the console has two
#[test]
fn memory_runs_out_for_signals() {
    let _alone = alone();
    let (toy, probe) = (Toy::start(Drive::Fd), Probe::shared());
    let mut signals =
        (libc::SIGRTMIN()..=libc::SIGRTMAX()).chain([libc::SIGUSR1, libc::SIGUSR2, libc::SIGHUP]);
    let mut last = 0;
    let accepted = fill(SMALL, || {
        last = signals.next().expect("a signal is refused");
        toy.handle().signal_add(last, probe.signal(nothing))
    });
    assert!(!handled(last), "its disposition is left alone");
    toy.handle().close(accepted[0]).unwrap();
    starved(SMALL, || toy.handle().signal_add(last, probe.signal(nothing))).unwrap();
    raise(last);
    toy.run_until(|| probe.calls() == 1);
    assert_eq!(probe.flags.get(), last as u32);
    toy.end();
}

/// Whether anybody has put a handler on that signal.
#[cfg(unix)]
fn handled(signum: i32) -> bool {
    // SAFETY: all zero is a valid sigaction, and it is ours to write.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        must(libc::sigaction(signum, std::ptr::null(), &mut action));
        action.sa_sigaction != libc::SIG_DFL
    }
}

#[cfg(unix)] // a child is a handle: above
#[test]
fn memory_runs_out_for_children() {
    let _alone = alone();
    let (toy, probe, pipe) = (Toy::start(Drive::Fd), Probe::shared(), Channel::new());
    let high = pipe.duplicate_input(300);
    // From here on the table of fds has room for those of the children.
    toy.add_fd(high.as_raw_fd(), READABLE, &Probe::new(), nothing);
    let mut children = Vec::new();
    let accepted = fill(SMALL, || {
        children.push(waiting_child(7));
        toy.handle().child_add(children.last().unwrap().0, probe.child(nothing))
    });
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    let (refused, _) = children.last().unwrap();
    toy.handle().child_add(*refused, probe.child(nothing)).unwrap();
    children.iter().for_each(|(_, go)| go.write(1));
    toy.run_until(|| probe.calls() == accepted.len() as u32 + 1);
    assert_eq!(probe.total.get(), 7 * i64::from(probe.calls()), "each was reaped by its source");
    toy.end();
}

/// The same by the C ABI: what is refused stays the caller's, and neither callback nor drop function runs.
#[test]
fn memory_runs_out_in_c() {
    let _alone = alone();
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static DROPS: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn drop(_: *mut c_void) {
        DROPS.fetch_add(1, Ordering::SeqCst);
    }
    let options = ffi::types::GuestOptions {
        struct_size: std::mem::size_of::<ffi::types::GuestOptions>(),
        drive: ffi::types::GUEST_DRIVE_FD,
        flags: 0,
        batch_budget: FOREVER,
        nested_after: 0,
        repost_after: 0,
        stall_after: 0,
        work_threads: 0,
        reserved: 0,
    };
    let mut g = std::ptr::null_mut();
    let (nothing, mut accepted) = (std::ptr::null_mut(), 0);
    // SAFETY: valid structs and places; a guest that lives until guest_free; functions that follow no pointer.
    unsafe {
        assert_eq!(ffi::lifecycle::guest_start(std::ptr::null(), &options, &mut g), 0);
        let mut add = || {
            ffi::timer::guest_timer_add(g, 0, 0, Some(on_timer), nothing, Some(drop), std::ptr::null_mut())
        };
        let post = || ffi::post::guest_post(g, Some(on_post), nothing, Some(drop));
        for call in [&mut add as &mut dyn FnMut() -> i32, &mut { post }] {
            let refused = loop {
                match starved(LARGE, &mut *call) {
                    0 => accepted += 1,
                    status => break status,
                }
            };
            assert_eq!(refused, Status::NOMEM.code());
        }
        assert_eq!((CALLS.load(Ordering::SeqCst), DROPS.load(Ordering::SeqCst)), (0, 0));
        // The queue of a callback is another one.
        assert_eq!(ffi::post::guest_post(g, Some(fill_up), nothing, None), 0);
        assert_eq!(starved(LARGE, || ffi::lifecycle::guest_deliver_batch(g, 0)), 0);
        accepted += FILLED.load(Ordering::SeqCst);
        while CALLS.load(Ordering::SeqCst) < accepted {
            assert_eq!(starved(LARGE, || ffi::lifecycle::guest_deliver_batch(g, 0)), 0);
        }
        ffi::lifecycle::guest_free(g);
    }
    assert_eq!((CALLS.load(Ordering::SeqCst), DROPS.load(Ordering::SeqCst)), (accepted, accepted));

    unsafe extern "C-unwind" fn on_timer<G>(_: *mut G, _: u64, _: u64, _: *mut c_void) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    unsafe extern "C-unwind" fn on_post<G>(_: *mut G, _: *mut c_void) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    static FILLED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn fill_up(g: *mut ffi::lifecycle::ForeignGuest, nothing: *mut c_void) {
        let refused = loop {
            // SAFETY: the live guest of this callback; functions that follow no pointer.
            match unsafe { ffi::post::guest_post(g, Some(on_post), nothing, Some(drop)) } {
                0 => _ = FILLED.fetch_add(1, Ordering::SeqCst),
                status => break status,
            }
        };
        assert_eq!(refused, Status::NOMEM.code());
    }
}
