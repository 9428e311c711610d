//! L3. Child processes, without SIGCHLD.
//!
//! Owns: a place in the poller, or, where there is none, a thread that waits for the child. Host
//! thread only; the waiter thread touches nothing but its pid and the queue of posts.

use std::cell::Cell;
use std::rc::Rc;

use once_cell::unsync::OnceCell;

use crate::core::context::Context;
use crate::core::live::{self, Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Event, Kind, Lent, Next, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{self, Child, ChildExit};

struct ChildSource<C> {
    pid: i32,
    /// Empty where a thread waits instead.
    watched: OnceCell<Child>,
    exit: Cell<ChildExit>,
    callback: C,
    _alive: Alive<SOURCES>,
}

impl Registry {
    pub(crate) fn child_add(&self, pid: i32, callback: impl Callback<ChildExit>) -> Result<Id> {
        let refused = |e: std::io::Error| Error::os(&format!("watching child {pid}"), &e);
        let source = Rc::new(ChildSource {
            pid,
            watched: OnceCell::new(),
            exit: Cell::new(ChildExit { code: 0, signal: 0 }),
            callback,
            _alive: Alive::default(),
        });
        self.insert(source.clone(), |id| {
            if pid < 1 {
                let text = format!("pid is {pid}: pass what fork or posix_spawn returned");
                return Err(Error::new(Status::INVAL, text));
            }
            if self.connections.children.borrow().contains_key(&pid) {
                let text = format!("child {pid} is watched already: close that source first");
                return Err(Error::new(Status::EXIST, text));
            }
            self.connections.children.borrow_mut().try_reserve(1)?;
            sys::exists_as_child(pid).map_err(refused)?;
            let added = self.connections.poller().add_child(pid, id.to_bits());
            match added.map_err(refused)? {
                Some((child, dead)) => {
                    if let Some(dead) = dead.and_then(Id::from_bits) {
                        let _ = self.close(dead);
                    }
                    let _ = source.watched.set(child);
                }
                None => self.start_waiter(pid, id).map_err(refused)?,
            }
            self.connections.children.borrow_mut().insert(pid, id);
            Ok(())
        })
    }

    /// The thread lasts as long as the child. It does not reap, so a child that nobody is
    /// interested in any more stays as it would without us.
    fn start_waiter(&self, pid: i32, id: Id) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let alive = Alive::<{ live::THREADS }>::default();
        let waiter = sys::spawn("asyncguest-child", move || {
            sys::wait_for_exit(pid);
            drop(alive);
            shared.source_finished(id);
        })?;
        drop(waiter);
        Ok(())
    }
}

impl<C> ChildSource<C> {
    fn forget(&self, to: &Connections, id: Id) {
        let mut children = to.children.borrow_mut();
        if children.get(&self.pid).is_some_and(|known| *known == id) {
            children.remove(&self.pid);
        }
    }
}

impl<C: Callback<ChildExit>> Source for ChildSource<C> {
    fn prepare(&self, to: &Connections, id: Id, _hint: u64) -> bool {
        // By the watch where there is one: a pid may have been reaped and given out again.
        let reaped = self.watched.get().map_or_else(|| sys::reap(self.pid), |child| child.reap(self.pid));
        match reaped {
            Ok(None) => false,
            Ok(Some(exit)) => {
                // The number may be given out again before the callback returns.
                self.forget(to, id);
                self.exit.set(exit);
                true
            }
            Err(_) => {
                self.exit.set(ChildExit::UNKNOWN);
                true
            }
        }
    }

    fn call(&self, context: &Context, id: Id) {
        self.callback.call(context, id, self.exit.get());
    }

    fn event(&self, id: Id) -> Event {
        let ChildExit { code, signal } = self.exit.get();
        let plain = Event::plain(Some(id), Kind::Child, self.callback.user_data());
        Event { flags: signal as u32, value: i64::from(code), ..plain }
    }

    fn settle(&self, _to: &Connections, _id: Id) -> Next {
        Next::Close
    }

    fn detach(&self, to: &Connections, id: Id) {
        self.forget(to, id);
        if let Some(child) = self.watched.get() {
            to.poller().remove_child(child, id.to_bits());
        }
    }

    fn mute(&self, to: &Connections, id: Id) {
        // Its end is being told; the poller would stay ready for as long as that takes.
        if let Some(child) = self.watched.get() {
            to.poller().remove_child(child, id.to_bits());
        }
    }

    fn close_in_child(&self) {
        if let Some(child) = self.watched.get() {
            child.close_in_child();
        }
    }

    fn comes_last(&self) -> bool {
        true
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }
}
