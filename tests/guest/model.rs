//! Hazard: sequences of calls that nobody thought of. Pseudo-random ones, from outside and from
//! callbacks, against a model: nothing lost, nothing doubled, order kept, every drop exactly once.

use crate::common::*;

use std::collections::BTreeMap;

/// What the model knows of a timer.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Timer {
    /// `FOREVER`: parked.
    deadline: u64,
    /// When it was armed, in the order of all armings. `None` inside its own callback, where its turn comes when that
    /// has returned.
    armed: Option<u64>,
    period: u64,
}

/// What the model knows of an fd.
struct Pipe {
    channel: Rc<Channel>,
    /// How many lie in it.
    bytes: usize,
    watched: bool,
}

struct Model {
    toy: Rc<Toy>,
    clock: Clock,
    random: RefCell<Random>,
    armings: Cell<u64>,
    timers: RefCell<BTreeMap<Id, Timer>>,
    /// Timers whose callbacks are on the stack.
    running: RefCell<Vec<Id>>,
    fds: RefCell<BTreeMap<Id, Pipe>>,
    /// One for each source ever registered.
    probes: RefCell<Vec<P>>,
    posted: Cell<u32>,
    ran: Cell<u32>,
    post_probe: P,
}

impl Model {
    fn start(seed: u64, drive: Drive) -> Rc<Model> {
        let (options, clock) = manual(drive);
        let toy = Toy::with(Options { repost_after: FOREVER, ..options });
        toy.fault(Fault::Drop, u32::MAX);
        Rc::new(Model {
            toy,
            clock,
            random: RefCell::new(Random(seed)),
            armings: Cell::default(),
            timers: RefCell::default(),
            running: RefCell::default(),
            fds: RefCell::default(),
            probes: RefCell::default(),
            posted: Cell::default(),
            ran: Cell::default(),
            post_probe: Probe::shared(),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    fn probe(&self) -> P {
        let probe = Probe::new();
        self.probes.borrow_mut().push(probe.clone());
        probe
    }

    /// The model's half of starting or modifying a timer.
    fn arm(&self, id: Id, delay: u64, period: u64) -> Option<Timer> {
        let armed = (!self.running.borrow().contains(&id)).then(|| self.next_arming());
        let deadline = self.clock.now().saturating_add(delay);
        self.timers.borrow_mut().insert(id, Timer { deadline, armed, period })
    }

    fn next_arming(&self) -> u64 {
        self.armings.set(self.armings.get() + 1);
        self.armings.get()
    }

    fn modify(&self, id: Id) {
        let (delay, period) = self.times();
        self.toy.handle().timer_modify(id, delay, period).unwrap();
        self.arm(id, delay, period);
    }

    /// A delay and a period; sometimes neither ends.
    fn times(&self) -> (u64, u64) {
        let delay = if self.below(10) == 0 { FOREVER } else { self.below(20) * MS };
        (delay, if self.below(4) == 0 { (1 + self.below(10)) * MS } else { 0 })
    }

    fn add_timer(self: &Rc<Model>) {
        let ((delay, period), probe, model) = (self.times(), self.probe(), self.clone());
        let watched = probe.clone();
        let fired = move |_: &Handle| model.timer_fired(watched.id.get().unwrap(), watched.value.get());
        let id = self.toy.add_timer(delay, period, &probe, fired);
        assert!(self.arm(id, delay, period).is_none(), "an id came twice");
    }

    /// The timer must have been due, and must count the periods that have passed.
    fn timer_fired(self: &Rc<Model>, id: Id, expirations: i64) {
        let timer = self.timers.borrow()[&id];
        let now = self.clock.now();
        assert!(timer.deadline <= now, "early, or parked");
        let missed = (now - timer.deadline).checked_div(timer.period).unwrap_or(0);
        assert_eq!(expirations, 1 + missed as i64);
        let before = |other: &Timer| {
            other.deadline <= timer.deadline && other.armed.is_some() && other.armed < timer.armed
        };
        assert!(!self.timers.borrow().values().any(before), "out of order");
        match timer.period {
            0 => drop(self.timers.borrow_mut().remove(&id)),
            period => {
                let deadline = timer.deadline + period * expirations as u64;
                self.timers.borrow_mut().insert(id, Timer { deadline, armed: None, period });
            }
        }
        self.running.borrow_mut().push(id);
        let again = self.below(8) == 0;
        if again {
            // Armed anew in its own callback: a one-shot timer then stays.
            self.modify(id);
        }
        self.act();
        self.running.borrow_mut().pop();
        if let Some(timer) = self.timers.borrow_mut().get_mut(&id).filter(|_| !again) {
            timer.armed = Some(self.next_arming());
        }
    }

    fn add_fd(self: &Rc<Model>) {
        let (channel, probe, model) = (Channel::new(), self.probe(), self.clone());
        let watched = probe.clone();
        let ready = move |_: &Handle| model.fd_ready(watched.id.get().unwrap());
        let id = self.toy.add_fd(channel.input(), READABLE, &probe, ready);
        assert!(
            self.fds.borrow_mut().insert(id, Pipe { channel, bytes: 0, watched: true }).is_none(),
            "an id came twice"
        );
    }

    fn fd_ready(self: &Rc<Model>, id: Id) {
        {
            let mut fds = self.fds.borrow_mut();
            let pipe = fds.get_mut(&id).expect("closed");
            assert!(pipe.watched && pipe.bytes > 0, "paused or empty");
            pipe.channel.read_one();
            pipe.bytes -= 1;
        }
        self.act();
    }

    fn post(self: &Rc<Model>) {
        let (number, model) = (self.posted.get(), self.clone());
        self.posted.set(number + 1);
        self.toy.post(&self.post_probe, move |_| {
            assert_eq!(model.ran.get(), number, "posts keep their order");
            model.ran.set(number + 1);
            if model.below(3) == 0 {
                model.act();
            }
        });
    }

    /// One of the keys, if there is any.
    fn any<T>(&self, map: &RefCell<BTreeMap<Id, T>>) -> Option<Id> {
        let count = map.borrow().len() as u64;
        (count > 0).then(|| *map.borrow().keys().nth(self.below(count) as usize).unwrap())
    }

    /// One call, whether from outside or from a callback.
    fn act(self: &Rc<Model>) {
        let handle = self.toy.handle();
        match self.below(12) {
            0 if self.timers.borrow().len() < 50 => self.add_timer(),
            1 if self.fds.borrow().len() < 20 => self.add_fd(),
            2 | 3 => self.post(),
            4 => {
                if let Some(id) = self.any(&self.timers) {
                    self.modify(id);
                }
            }
            5 => {
                if let Some(id) = self.any(&self.timers) {
                    handle.close(id).unwrap();
                    self.timers.borrow_mut().remove(&id);
                    assert_eq!(refused(handle.close(id)), Status::STALE);
                }
            }
            6 => {
                if let Some(id) = self.any(&self.fds) {
                    handle.close(id).unwrap();
                    self.fds.borrow_mut().remove(&id);
                    assert_eq!(refused(handle.fd_modify(id, READABLE)), Status::STALE);
                }
            }
            7 | 8 => {
                if let Some(id) = self.any(&self.fds) {
                    let mut fds = self.fds.borrow_mut();
                    let pipe = fds.get_mut(&id).unwrap();
                    pipe.channel.write(1);
                    pipe.bytes += 1;
                }
            }
            9 => {
                if let Some(id) = self.any(&self.fds) {
                    let mut fds = self.fds.borrow_mut();
                    let pipe = fds.get_mut(&id).unwrap();
                    pipe.watched = !pipe.watched;
                    handle.fd_modify(id, if pipe.watched { READABLE } else { 0 }).unwrap();
                }
            }
            10 if self.below(6) == 0 => drop(self.toy.guest().deliver_for(0, Some(0))),
            _ => {}
        }
    }

    /// Delivers until nothing is due, and then nothing may be due.
    fn settle(&self) {
        self.toy.guest().deliver_for(0, Some(FOREVER)).unwrap();
        let fds_are_empty = || self.fds.borrow().values().all(|pipe| pipe.bytes == 0 || !pipe.watched);
        // Where the system says a moment later that there is something to read.
        #[cfg(windows)]
        eventually(|| fds_are_empty() || self.toy.guest().deliver_for(0, Some(FOREVER)).is_err());
        let now = self.clock.now();
        assert_eq!(self.ran.get(), self.posted.get(), "a post was lost");
        assert!(self.timers.borrow().values().all(|timer| timer.deadline > now), "a timer was lost");
        assert!(fds_are_empty(), "data was lost");
        let live = self.timers.borrow().len() + self.fds.borrow().len();
        assert_eq!(self.toy.stats().live_sources, live as u64);
        let dropped = self.probes.borrow().iter().filter(|probe| probe.drops() == 1).count();
        assert_eq!(self.probes.borrow().len() - dropped, live, "what is closed is dropped");
    }

    /// The end, by one of the ways to it.
    fn end(&self) {
        match self.below(3) {
            0 => self.toy.guest().shutdown(10 * SECOND).unwrap(),
            1 => {
                self.toy.poster.cancel();
                self.toy.guest().deliver(0).unwrap();
            }
            _ => {}
        }
        self.toy.free();
        assert_eq!(self.toy.done_status(), Status::OK);
        assert!(self.probes.borrow().iter().all(|probe| probe.drops() == 1));
        assert_eq!(self.post_probe.drops(), self.posted.get());
    }
}

fn sequence(seed: u64, drive: Drive, steps: u32) {
    let model = Model::start(seed, drive);
    for _ in 0..steps {
        match model.below(10) {
            0 => model.settle(),
            1 => model.clock.advance(model.below(10) * MS),
            2 => model.toy.guest().deliver(0).unwrap(),
            _ => model.act(),
        }
    }
    model.settle();
    (0..10).for_each(|_| model.act());
    model.end();
}

#[test]
fn random_calls_agree_with_the_model_fd() {
    let _alone = alone();
    (0..30).for_each(|seed| sequence(seed, Drive::Fd, 1_000));
}

#[test]
fn random_calls_agree_with_the_model_run() {
    let _alone = alone();
    (100..130).for_each(|seed| sequence(seed, Drive::Run, 1_000));
}

/// The I/O thread looks on, and posts tokens that are lost.
#[test]
fn random_calls_agree_with_the_model_thread() {
    let _alone = alone();
    (200..230).for_each(|seed| sequence(seed, Drive::Thread, 1_000));
}
