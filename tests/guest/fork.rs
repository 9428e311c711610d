//! Hazard: fork, and the end of the process, with a guest running.

#![cfg(unix)] // Windows has no fork

use crate::common::*;

/// A guest that a forked child inherits.
struct Inheritance {
    toy: Rc<Toy>,
    pipe: Rc<Channel>,
    timer: P,
    fd: P,
    timer_id: Id,
    fd_id: Id,
}

impl Inheritance {
    fn start(drive: Drive) -> Rc<Inheritance> {
        let (toy, pipe, timer, fd) = (Toy::start(drive), Channel::new(), Probe::new(), Probe::new());
        let timer_id = toy.add_timer(3600 * SECOND, 0, &timer, nothing);
        let fd_id = toy.add_fd(pipe.input(), READABLE, &fd, pipe.reader());
        if drive == Drive::Thread {
            toy.await_polling();
        }
        Rc::new(Inheritance { toy, pipe, timer, fd, timer_id, fd_id })
    }

    /// In the child: everything is refused, nothing of the parent's runs.
    fn refuse(&self) {
        let (guest, handle, poster) = (self.toy.guest(), self.toy.handle(), &self.toy.poster);
        let probe = Probe::shared();
        assert!(poster.in_child());
        assert_eq!(refused(guest.deliver(0)), Status::FORKED);
        assert_eq!(refused(guest.deliver_for(self.toy.last_token(), Some(MS))), Status::FORKED);
        assert_eq!(refused(guest.run(0)), Status::FORKED);
        assert_eq!(refused(handle.timer_add(0, 0, probe.timer(nothing))), Status::FORKED);
        assert_eq!(refused(handle.timer_modify(self.timer_id, 0, 0)), Status::FORKED);
        assert_eq!(refused(handle.fd_add(self.pipe.output(), WRITABLE, probe.fd(nothing))), Status::FORKED);
        assert_eq!(refused(handle.fd_modify(self.fd_id, 0)), Status::FORKED);
        assert_eq!(refused(handle.signal_add(libc::SIGUSR1, probe.signal(nothing))), Status::FORKED);
        assert_eq!(refused(handle.child_add(1, probe.child(nothing))), Status::FORKED);
        assert_eq!(refused(handle.work(|| {}, probe.worked(|_, ()| {}))), Status::FORKED);
        assert_eq!(refused(handle.resolve(query(Some("::1"), None), probe.resolved(|_| {}))), Status::FORKED);
        assert_eq!(refused(handle.close(self.fd_id)), Status::FORKED);
        assert_eq!(refused(poster.post(probe.post(nothing))), Status::FORKED);
        assert_eq!(refused(guest.shutdown(0)), Status::FORKED);
        poster.wake();
        poster.cancel();
        drop((guest, handle));
        self.toy.free();
        assert_eq!((probe.calls(), self.timer.drops(), self.fd.drops(), self.toy.done()), (0, 0, 0, 0));
    }

    /// In the parent: the sources are still watched, posts still arrive.
    fn unharmed(&self) {
        let (post, calls) = (Probe::new(), self.fd.calls());
        self.toy.post(&post, nothing);
        self.pipe.write(1);
        self.toy.run_until(|| post.drops() == 1 && self.fd.calls() == calls + 1);
        self.toy.handle().timer_modify(self.timer_id, 0, 0).unwrap();
        self.toy.run_until(|| self.timer.drops() == 1);
        self.toy.end();
        assert_eq!((self.timer.calls(), self.fd.drops()), (1, 1));
    }
}

#[test]
fn fork_with_running_guest_thread() {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Thread);
    in_fork(|| inheritance.refuse());
    inheritance.unharmed();
}

#[test]
fn fork_with_running_guest_fd() {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Fd);
    in_fork(|| inheritance.refuse());
    inheritance.unharmed();
}

#[test]
fn fork_a_hundred_times() {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Thread);
    // So that the forks hit every state.
    inheritance.toy.add_timer(MS, MS, &Probe::new(), nothing);
    for n in 0..100 {
        in_fork(|| inheritance.refuse());
        inheritance.toy.run_for(n % 3 * MS);
    }
    inheritance.unharmed();
}

#[test]
fn fork_child_starts_its_own_guest() {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Thread);
    in_fork(|| {
        let (toy, timer) = (Toy::start(Drive::Thread), Probe::new());
        toy.add_timer(MS, 0, &timer, nothing);
        toy.run_until(|| timer.drops() == 1);
        toy.end();
    });
    inheritance.unharmed();
}

#[test]
fn fork_inside_a_callback() {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Thread);
    let (probe, inherited) = (Probe::new(), inheritance.clone());
    inheritance.toy.add_timer(0, 0, &probe, move |_| in_fork(|| inherited.refuse()));
    inheritance.toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.calls(), 1);
    inheritance.unharmed();
}

/// Forks when it is dropped, and tells what fork returned. Both processes go on in the delivery.
struct ForkingDrop(Rc<Cell<Option<i32>>>);

impl Drop for ForkingDrop {
    fn drop(&mut self) {
        // SAFETY: the child runs the rest of one delivery and ends without anybody's exit handlers.
        self.0.set(Some(must(unsafe { libc::fork() })));
    }
}

/// `arrange` brings a drop function that forks into the next delivery, and after it what belongs to `next`.
fn forked_by_a_drop(arrange: impl FnOnce(&Rc<Toy>, ForkingDrop, &P)) {
    let _alone = alone();
    let inheritance = Inheritance::start(Drive::Fd);
    let (pid, next) = (Rc::new(Cell::new(None)), Probe::new());
    arrange(&inheritance.toy, ForkingDrop(pid.clone()), &next);
    // A fork may take longer than a delivery.
    let delivered = inheritance.toy.guest().deliver_for(0, Some(10 * SECOND));
    if pid.get() == Some(0) {
        let left_alone =
            delivered.is_err_and(|e| e.status == Status::FORKED) && (next.calls(), next.drops()) == (0, 0);
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!left_alone)) };
    }
    delivered.unwrap();
    assert_eq!(wait_for(pid.get().unwrap()), Some(0), "the child has run what is the parent's");
    inheritance.toy.run_until(|| next.drops() == 1);
    inheritance.unharmed();
}

/// A timer that is dropped with `forking`, after its callback if it has had its turn.
fn forking_timer(toy: &Toy, delay: u64, forking: ForkingDrop, act: impl Fn(&Handle, Id) + 'static) -> Id {
    let fired = move |handle: &Handle, id, _| {
        let _kept = &forking;
        act(handle, id);
    };
    toy.handle().timer_add(delay, 0, fired).unwrap()
}

#[test]
fn fork_inside_the_drop_of_what_was_closed() {
    forked_by_a_drop(|toy, forking, next| {
        let first = forking_timer(toy, 3600 * SECOND, forking, |_, _| {});
        let second = toy.add_timer(3600 * SECOND, 0, next, nothing);
        toy.handle().close(first).unwrap();
        toy.handle().close(second).unwrap();
    });
}

#[test]
fn fork_inside_the_drop_after_the_last_event() {
    forked_by_a_drop(|toy, forking, next| {
        forking_timer(toy, 0, forking, |_, _| {});
        toy.add_timer(0, 0, next, nothing);
    });
}

/// The nested delivery drops what was closed, but its callback is on the stack.
#[test]
fn fork_inside_a_drop_that_waits_for_the_callback() {
    forked_by_a_drop(|toy, forking, next| {
        let (toy_inside, next) = (toy.clone(), next.clone());
        forking_timer(toy, 0, forking, move |handle, id| {
            handle.close(id).unwrap();
            toy_inside.guest().deliver(0).unwrap();
            toy_inside.add_timer(0, 0, &next, nothing);
        });
    });
}

/// A host whose `done` forks; both processes go on.
#[derive(Default)]
struct ForkingHost(AtomicU32);

impl Host for ForkingHost {
    fn post(&self, _: u64) -> Posted {
        Posted::Queued
    }

    fn done(&self, _: Status) {
        // SAFETY: the child ends the guest, and itself without anybody's exit handlers.
        let pid = must(unsafe { libc::fork() });
        if pid == 0 {
            // SAFETY: no memory is involved. Who hangs is ended by this.
            unsafe { libc::alarm(10) };
        }
        self.0.store(pid as u32, Ordering::SeqCst);
    }
}

/// The end that `end` brings about: `done` forks in the midst of it.
fn forked_by_done(end: impl FnOnce(Guest)) {
    let _alone = alone();
    let host = Arc::new(ForkingHost::default());
    end(Guest::start(host.clone(), options(Drive::Thread)).unwrap());
    let pid = host.0.load(Ordering::SeqCst) as i32;
    if pid == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(7) };
    }
    assert_eq!(wait_for(pid), Some(7), "the child has not come back from the end of the guest");
}

#[test]
fn fork_inside_done_of_a_guest_that_is_dropped() {
    forked_by_done(drop);
}

#[test]
fn fork_inside_done_of_a_delivery() {
    forked_by_done(|guest| {
        guest.poster().cancel();
        guest.deliver_for(0, Some(FOREVER)).unwrap();
        assert_eq!(guest.deliver(0).is_err_and(|e| e.status == Status::FORKED), guest.poster().in_child());
    });
}

#[test]
fn fork_with_an_open_batch() {
    let _alone = alone();
    let toy = Toy::with(pull(Drive::Fd));
    let (guest, told) = (toy.guest(), Probe::new());
    toy.add_timer(0, 0, &told, nothing);
    guest.batch_begin(0).unwrap();
    let mut events = 0;
    guest.batch_next(8, |_| events += 1).unwrap();
    assert_eq!(events, 1);
    in_fork(|| {
        assert_eq!(refused(guest.batch_next(8, |_| {})), Status::FORKED);
        assert_eq!(refused(guest.batch_end()), Status::FORKED);
        assert_eq!(told.drops(), 0, "what the batch holds is the parent's to drop");
    });
    guest.batch_end().unwrap();
    assert_eq!(told.drops(), 1);
    drop(guest);
    toy.end();
}

// ---- process exit

/// Runs the test `name` of this program again, in a process of its own, where `run` has to exit.
fn exits(name: &str, run: fn()) {
    const INSIDE: &str = "ASYNCGUEST_TEST_EXIT";
    if std::env::var_os(INSIDE).is_some() {
        run();
        unreachable!("it has to exit");
    }
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    let output = program.output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

/// A guest with a timer that has run twice.
fn running_guest() -> Rc<Toy> {
    let (toy, timer) = (Toy::start(Drive::Thread), Probe::new());
    toy.add_timer(MS, MS, &timer, nothing);
    toy.run_until(|| timer.calls() >= 2);
    toy
}

#[test]
fn exit_with_running_guest() {
    exits("fork::exit_with_running_guest", || {
        let toy = running_guest();
        toy.post(&Probe::new(), nothing);
        std::process::exit(7);
    });
}

#[test]
fn exit_inside_a_callback() {
    exits("fork::exit_inside_a_callback", || {
        let toy = running_guest();
        toy.add_timer(0, 0, &Probe::new(), |_| std::process::exit(7));
        toy.run_until(|| false);
    });
}

#[test]
fn exit_with_running_work() {
    exits("fork::exit_with_running_work", || {
        let (toy, started) = (running_guest(), Latch::new());
        let latch = started.clone();
        toy.add_work(&Probe::new(), move || {
            latch.open();
            std::thread::park();
        });
        started.wait(1);
        std::process::exit(7);
    });
}
