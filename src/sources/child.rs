//! L3. Child processes, without SIGCHLD.
//!
//! Owns: a pidfd in the poller, or, where there is none, a thread that waits for the child. Host
//! thread only; the waiter thread touches nothing but its pid and the queue of posts.

use std::any::Any;
use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use once_cell::unsync::OnceCell;

use crate::core::live::{self, Alive, SOURCES};
use crate::core::reactor::Reactor;
use crate::core::source::{Callback, Detached, Event, Kind, Next, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{self, Exit, Pidfd, READABLE};

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChildExit {
    /// 0 to 255; -1 if a signal killed it; -2 if somebody else reaped it.
    pub code: i32,
    /// The signal that killed it, or 0.
    pub signal: i32,
}

struct ChildSource<C> {
    pid: i32,
    /// Empty where a thread waits instead.
    pidfd: OnceCell<Pidfd>,
    exit: Cell<ChildExit>,
    callback: C,
    _alive: Alive<SOURCES>,
}

impl Reactor {
    /// Watches a child, and reaps it when it ends.
    pub(crate) fn child_add<C>(&self, pid: i32, callback: C) -> Result<Id>
    where
        C: Callback<ChildExit> + 'static,
    {
        let refused = |e: std::io::Error| Error::os(&format!("watching child {pid}"), &e);
        let source = Rc::new(ChildSource {
            pid,
            pidfd: OnceCell::new(),
            exit: Cell::new(ChildExit { code: 0, signal: 0 }),
            callback,
            _alive: Alive::new(),
        });
        self.insert(source.clone(), |id| {
            if pid < 1 {
                let text = format!("pid is {pid}: pass what fork or posix_spawn returned");
                return Err(Error::new(Status::INVAL, text));
            }
            if self.children.borrow().contains_key(&pid) {
                let text = format!("child {pid} is watched already: close that source first");
                return Err(Error::new(Status::EXIST, text));
            }
            self.children.borrow_mut().try_reserve(1)?;
            sys::exists_as_child(pid).map_err(refused)?;
            match Pidfd::open(pid).map_err(refused)? {
                Some(pidfd) => {
                    let dead = self.poller().take_dead(pidfd.as_raw_fd()).and_then(Id::from_bits);
                    if let Some(dead) = dead {
                        let _ = self.close(dead);
                    }
                    self.poller().add(pidfd.as_raw_fd(), READABLE, id.to_bits()).map_err(refused)?;
                    let _ = source.pidfd.set(pidfd);
                }
                None => self.start_waiter(pid, id).map_err(refused)?,
            }
            let pidfd = source.pidfd.get().map(AsRawFd::as_raw_fd);
            self.children.borrow_mut().insert(pid, (id, pidfd));
            Ok(())
        })
    }

    /// The thread lasts as long as the child. It does not reap, so a child that nobody is
    /// interested in any more stays as it would without us.
    fn start_waiter(&self, pid: i32, id: Id) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let alive = Alive::<{ live::THREADS }>::new();
        let waiter = sys::spawn("asyncguest-child", move || {
            sys::wait_for_exit(pid);
            drop(alive);
            shared.source_ready(id);
        })?;
        drop(waiter);
        Ok(())
    }
}

impl<C> ChildSource<C> {
    fn forget(&self, reactor: &Reactor, id: Id) {
        let mut children = reactor.children.borrow_mut();
        if children.get(&self.pid).is_some_and(|(known, _)| *known == id) {
            children.remove(&self.pid);
        }
    }
}

impl<C: Callback<ChildExit> + 'static> Source for ChildSource<C> {
    fn prepare(&self, reactor: &Reactor, id: Id, _hint: u64) -> bool {
        // By pidfd where there is one: a pid may have been reaped and given out again.
        let reaped = self.pidfd.get().map_or_else(|| sys::reap(self.pid), Pidfd::reap);
        // Linux 5.3 has pidfds that it cannot wait for.
        let reaped = match reaped {
            Err(e) if e.raw_os_error() == Some(sys::errno::EINVAL) => sys::reap(self.pid),
            other => other,
        };
        match reaped {
            Ok(None) => false,
            Ok(Some(Exit { code, signal })) => {
                // The number may be given out again before the callback returns.
                self.forget(reactor, id);
                self.exit.set(ChildExit { code, signal });
                true
            }
            Err(_) => {
                let Exit { code, signal } = Exit::UNKNOWN;
                self.exit.set(ChildExit { code, signal });
                true
            }
        }
    }

    fn call(&self, reactor: &Rc<Reactor>, id: Id) {
        self.callback.call(reactor, id, self.exit.get());
    }

    fn event(&self, id: Id) -> Event {
        let ChildExit { code, signal } = self.exit.get();
        let plain = Event::plain(Some(id), Kind::Child, self.callback.user_data());
        Event { flags: signal as u32, value: i64::from(code), ..plain }
    }

    fn settle(&self, _reactor: &Reactor, _id: Id) -> Next {
        Next::Close
    }

    fn detach(&self, reactor: &Reactor, id: Id) -> Detached {
        self.forget(reactor, id);
        if let Some(pidfd) = self.pidfd.get() {
            reactor.poller().remove(pidfd.as_raw_fd(), id.to_bits());
        }
        Detached::Now
    }

    fn mute(&self, reactor: &Reactor, id: Id) {
        // Its end is being told; the pidfd would stay readable for as long as that takes.
        if let Some(pidfd) = self.pidfd.get() {
            reactor.poller().remove(pidfd.as_raw_fd(), id.to_bits());
        }
    }

    fn comes_last(&self) -> bool {
        true
    }

    fn drop_runs_user_code(&self) -> bool {
        self.callback.drop_runs_user_code()
    }

    fn disown(&self) {
        self.callback.disown();
    }

    fn state(&self) -> &dyn Any {
        &()
    }
}
