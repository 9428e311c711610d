//! What `--script` runs: one entry for each thing that a host can get wrong. Main thread, but for the thread of
//! `wakes`.

use std::cell::{Cell, RefCell};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use asyncguest::error::{Result, Status};
use asyncguest::ffi::types::GUEST_READABLE;
use asyncguest::{Handle, Host, Posted};

use crate::host::WinitHost;
use crate::stage::Stage;

const MS: u64 = 1_000_000;

pub struct Scenario {
    pub name: &'static str,
    pub guests: usize,
    /// The host loses the first post.
    pub losing: bool,
    pub begin: fn(&Rc<Stage>, &Handle) -> Result<()>,
}

const fn plain(name: &'static str, begin: fn(&Rc<Stage>, &Handle) -> Result<()>) -> Scenario {
    Scenario { name, guests: 1, losing: false, begin }
}

/// The last one ends winit's loop.
pub fn all() -> Vec<Scenario> {
    vec![
        plain("timer and socket progress while the window animates", progress),
        plain("a thousand wakes", wakes),
        plain("handlers of the window use the guest", handlers),
        plain("a handler that blocks", blocked),
        plain("a saturating guest", saturating),
        plain("idle", idle),
        Scenario { guests: 2, ..plain("two guests", two) },
        Scenario { losing: true, ..plain("a lost wake", lost) },
        plain("winit's loop ends first", quit),
    ]
}

/// The demo: ticks and datagrams until the window is closed.
pub fn demo() -> Vec<Scenario> {
    vec![plain("demo", |stage, handle| traffic(stage, handle, 50 * MS))]
}

/// A timer that sends datagrams, an fd that receives them; all of it on the window's thread.
fn traffic(stage: &Rc<Stage>, handle: &Handle, period: u64) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
        socket.connect(socket.local_addr()?)?;
        socket.set_nonblocking(true)?;
        Ok(Rc::new(socket))
    });
    let Ok(socket) = socket else { return Err(Status::OS.into()) };
    let (ticks, datagrams, sender) = (stage.clone(), stage.clone(), socket.clone());
    handle.timer_add(0, period, move |_, _, expirations| {
        ticks.ticks.set(ticks.ticks.get() + expirations);
        let _ = sender.send(b"tick"); // one that is lost is not counted
    })?;
    let fd = socket.as_raw_fd();
    handle.fd_add(fd, GUEST_READABLE, move |_, _, _| {
        let mut buffer = [0; 16];
        while socket.recv(&mut buffer).is_ok() {
            datagrams.datagrams.set(datagrams.datagrams.get() + 1);
        }
    })?;
    Ok(())
}

fn progress(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let begin = Instant::now();
    traffic(stage, handle, 10 * MS)?;
    let end = stage.clone();
    let judge = move || {
        let (ticks, datagrams, frames) = (end.ticks.get(), end.datagrams.get(), end.frames.get());
        // The first tick is due at once. What was due before the timer of this one came before it, and none is early.
        let most = 1 + begin.elapsed().as_millis() as u64 / 10;
        let good = (40..=most).contains(&ticks) && datagrams * 2 > ticks && frames >= 10;
        end.judge(good, format!("{ticks} of at most {most} ticks, {datagrams} datagrams, {frames} frames"));
    };
    let shot = stage.shot.borrow_mut().take();
    handle.timer_add(400 * MS, 0, move |handle, _, _| {
        // The picture in mid-run; the guest waits for the program that takes it.
        let Some((program, arguments)) = shot.as_deref().and_then(<[String]>::split_first) else {
            return judge();
        };
        let judge = judge.clone();
        let watched = Command::new(program).args(arguments).spawn().map(|child| {
            handle.child_add(child.id() as i32, move |_, _, exit| {
                if exit.code != 0 {
                    eprintln!("the picture was not taken: {exit:?}");
                }
                judge();
            })
        });
        if !matches!(watched, Ok(Ok(_))) {
            eprintln!("{program} cannot be run: {watched:?}");
        }
    })?;
    Ok(())
}

fn wakes(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let (poster, stage) = (handle.poster(), stage.clone());
    let (report, reported) = mpsc::channel();
    std::thread::spawn(move || {
        let mut took = Vec::new();
        for _ in 0..1000 {
            let (ran, wait) = mpsc::channel();
            let begin = Instant::now();
            let posted = poster.post(move |_| {
                let _ = ran.send(begin.elapsed());
            });
            let (Ok(()), Ok(time)) = (posted, wait.recv()) else { return };
            took.push(time);
        }
        took.sort();
        let _ = report.send(took);
        poster.wake();
    });
    handle.timer_add(0, 5 * MS, move |_, _, _| {
        if let Ok(took) = reported.try_recv() {
            let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
            stage.judge(median < Duration::from_millis(5), format!("median {median:?}, worst {worst:?}"));
        }
    })?;
    Ok(())
}

fn handlers(stage: &Rc<Stage>, _: &Handle) -> Result<()> {
    let took = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..20 {
        let (stage_, took) = (stage.clone(), took.clone());
        stage.in_handler.borrow_mut().push_back(Box::new(move |handle| {
            let begin = Instant::now();
            let added = handle.timer_add(0, 0, move |_, _, _| {
                took.borrow_mut().push(begin.elapsed());
                if took.borrow().len() == 20 {
                    took.borrow_mut().sort();
                    let (median, worst) = (took.borrow()[10], took.borrow()[19]);
                    stage_.judge(
                        median < Duration::from_millis(5),
                        format!("median {median:?}, worst {worst:?}"),
                    );
                }
            });
            assert!(added.is_ok());
        }));
    }
    Ok(())
}

fn blocked(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let (count, ticks) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (seen, begin, judge) = (ticks.clone(), Instant::now(), stage.clone());
    handle.timer_add(5 * MS, 5 * MS, move |_, _, expirations| {
        ticks.set(ticks.get() + expirations);
        count.set(count.get() + 1);
    })?;
    stage.in_handler.borrow_mut().push_back(Box::new(|_| std::thread::sleep(Duration::from_millis(100))));
    handle.timer_add(300 * MS, 0, move |_, _, _| {
        let due = begin.elapsed().as_millis() as u64 / 5;
        judge.judge(seen.get() + 4 >= due && seen.get() <= due, format!("{} of {due} periods", seen.get()));
    })?;
    Ok(())
}

fn saturating(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let ran = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let ran = ran.clone();
        handle.timer_add(0, 10_000, move |_, _, _| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(200) {}
            ran.set(ran.get() + 1);
        })?;
    }
    let stage = stage.clone();
    handle.timer_add(500 * MS, 0, move |_, _, _| {
        let (frames, worst) = (stage.frames.get(), stage.worst.get());
        stage.judge(
            frames >= 8 && ran.get() > 200,
            format!("{frames} frames, {worst:?} at most between two, {} callbacks", ran.get()),
        );
    })?;
    Ok(())
}

fn idle(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    stage.still.set(true);
    let stage = stage.clone();
    handle.timer_add(50 * MS, 0, move |handle, _, _| {
        let (poster, cpu, stage) = (handle.poster(), cpu_time(), stage.clone());
        let before = poster.stats().batches;
        let added = handle.timer_add(500 * MS, 0, move |_, _, _| {
            let (used, batches) = (cpu_time() - cpu, poster.stats().batches - before);
            stage.judge(
                batches <= 2 && used < Duration::from_millis(20),
                format!("{used:?} of CPU in 500 ms, {batches} deliveries"),
            );
        });
        assert!(added.is_ok());
    })?;
    Ok(())
}

fn two(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let (stage, own) = (stage.clone(), Cell::new(0));
    handle.timer_add(0, 2 * MS, move |handle, id, _| {
        own.set(own.get() + 1);
        if own.get() == 20 {
            assert!(handle.close(id).is_ok());
            stage.ticks.set(stage.ticks.get() + 1); // of guests that are through
            if stage.ticks.get() == 2 {
                stage.judge(true, "20 ticks each".into());
            }
        }
    })?;
    Ok(())
}

fn lost(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    let (stage, begin, poster) = (stage.clone(), Instant::now(), handle.poster());
    handle.timer_add(10 * MS, 0, move |_, _, _| {
        let text = format!("after {:?}, {} posted again", begin.elapsed(), poster.stats().reposts);
        stage.judge(begin.elapsed() < Duration::from_secs(5), text);
    })?;
    Ok(())
}

fn quit(stage: &Rc<Stage>, handle: &Handle) -> Result<()> {
    struct Judge(Rc<Stage>);
    impl Drop for Judge {
        fn drop(&mut self) {
            self.0.judge(true, "what was registered is dropped by the shutdown".into());
        }
    }
    let (judge, quit) = (Judge(stage.clone()), stage.clone());
    handle.timer_add(3600 * 1000 * MS, 0, move |_, _, _| drop(judge.0.clone()))?;
    handle.timer_add(20 * MS, 0, move |_, _, _| quit.quit_first.set(true))?;
    Ok(())
}

fn cpu_time() -> Duration {
    // SAFETY: `usage` is a plain struct that getrusage fills.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time =
        |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A host that can lose its first post, for `lost`.
pub struct LossyHost {
    pub host: WinitHost,
    pub losing: bool,
}

static LOST: AtomicBool = AtomicBool::new(false);

impl Host for LossyHost {
    fn post(&self, token: u64) -> Posted {
        if self.losing && !LOST.swap(true, Ordering::Relaxed) {
            return Posted::Queued; // it says so, and is not
        }
        self.host.post(token)
    }

    fn done(&self, status: Status) {
        self.host.done(status);
    }
}
