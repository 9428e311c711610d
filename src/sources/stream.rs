//! L3. Streams: connections that are read and written by the guest.
//!
//! Owns: the source of each stream, and what of it calls the user. Host thread only.
//!
//! The system is asked in `prepare`, and by a write of the user's that finds nothing queued. What has become of that is told by
//! the next events, one thing by each. A look at the poller finds what can be read or written again; for all else (the end of a
//! write, the water, the end of the stream) the stream asks for an event of its own, by [`Connections::comes_due`].

mod connect;
mod event;
pub(crate) mod outbox;
mod receiving;
mod sending;
mod state;

use std::any::Any;
use std::ffi::CStr;
use std::io::IoSlice;
use std::rc::Rc;

use self::connect::Connecting;
pub use self::event::{StreamEvent, StreamInfo, StreamOptions};
use self::outbox::{Outcome, Piece, Written};
use self::state::{Phase, StreamState, Telling};
use super::socket::{adopt, unix_address};
use crate::core::context::Context;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Lent, Next, Source};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sys::{Address, OsFd, Query, Readiness, STREAM};

struct StreamSource<C> {
    // Dropped before the callback: ends of writes are told first.
    state: StreamState,
    callback: C,
}

/// What a stream tells its user by.
pub(crate) trait Told: for<'a> Callback<StreamEvent<'a>> {}
impl<C: for<'a> Callback<StreamEvent<'a>>> Told for C {}

impl Registry {
    pub(crate) fn stream_connect(
        &self,
        query: Query,
        options: StreamOptions,
        callback: impl Told,
    ) -> Result<Id> {
        self.stream_add(options, callback, |id, state| {
            state.begin(self, id, || Connecting::to_name(self, id, query))
        })
    }

    pub(crate) fn stream_connect_to(
        &self,
        addresses: &[Address],
        options: StreamOptions,
        callback: impl Told,
    ) -> Result<Id> {
        self.stream_add(options, callback, |id, state| {
            if addresses.is_empty() || addresses.iter().any(|address| !address.is_sound()) {
                let text = "there is no address, or one that is longer than its sockaddr: pass what guest_resolve has found";
                return Err(Error::new(Status::INVAL, text));
            }
            state.connect_to(self, id, addresses)
        })
    }

    pub(crate) fn stream_connect_unix(
        &self,
        path: &CStr,
        options: StreamOptions,
        callback: impl Told,
    ) -> Result<Id> {
        self.stream_add(options, callback, |id, state| state.connect_to(self, id, &[unix_address(path)?]))
    }

    pub(crate) fn stream_adopt(&self, fd: OsFd, options: StreamOptions, callback: impl Told) -> Result<Id> {
        self.stream_add(options, callback, |id, state| {
            let socket = adopt(fd, STREAM, false, "a connected stream socket")?;
            state.open(self, id, socket).map_err(|(error, socket)| {
                socket.give_back();
                error
            })
        })
    }

    /// Registers a stream that `attach` brings to its first phase.
    pub(super) fn stream_add(
        &self,
        options: StreamOptions,
        callback: impl Told,
        attach: impl FnOnce(Id, &StreamState) -> Result<()>,
    ) -> Result<Id> {
        let source = Rc::new(StreamSource { state: StreamState::new(options), callback });
        self.insert(source.clone(), |id| {
            self.check_sockets()?;
            if options.low_water > options.high_water {
                let text = format!(
                    "low_water is {} and high_water {}: the low mark is at most the high one",
                    options.low_water, options.high_water
                );
                return Err(Error::new(Status::INVAL, text));
            }
            attach(id, &source.state)
        })
    }

    /// Sends bytes, or queues what cannot be sent at once, as `keep` keeps it.
    pub(crate) fn stream_write(
        &self,
        id: Id,
        slices: &[IoSlice<'_>],
        keep: impl Fn(&[u8]) -> Option<Piece>,
        mut written: Option<Written>,
    ) -> Result<()> {
        let accepted = self
            .check_open()
            .and_then(|()| {
                self.with(id, |s: &StreamState| s.write(&self.connections, id, slices, keep, &mut written))
            })
            .and_then(|accepted| accepted);
        if let (Err(_), Some(written)) = (&accepted, written) {
            written.forget();
        }
        accepted
    }

    pub(crate) fn stream_pause(&self, id: Id, paused: bool) -> Result<()> {
        self.change_stream(id, |state| state.paused.set(paused))
    }

    pub(crate) fn stream_shutdown(&self, id: Id) -> Result<()> {
        self.change_stream(id, |state| {
            state.ending.set(true);
            state.end_writing();
        })
    }

    pub(crate) fn stream_close(&self, id: Id) -> Result<()> {
        self.change_stream(id, |state| state.closing.set(true))
    }

    fn change_stream(&self, id: Id, change: impl FnOnce(&StreamState)) -> Result<()> {
        self.check_open()?;
        self.with(id, |state: &StreamState| {
            change(state);
            state.touch(&self.connections, id);
        })
    }

    pub(crate) fn stream_info(&self, id: Id) -> Result<StreamInfo> {
        self.shared.check_process()?;
        self.with(id, |state: &StreamState| state.info(&self.connections, id))
    }
}

impl<C: Told> Source for StreamSource<C> {
    fn prepare(&self, to: &Connections, id: Id, hint: u64) -> bool {
        let (state, ready) = (&self.state, hint as Readiness);
        if hint == 0 {
            state.scheduled.set(false);
        }
        state.go_on(to, id, ready);
        let telling = state.next(to, id, ready).or_else(|| {
            state.watch(to, id);
            // If the poller has refused.
            state.next(to, id, 0)
        });
        let found = telling.is_some();
        state.in_call.set(found);
        state.telling.set(telling);
        found
    }

    /// What the stream asks for itself, 0, is asked once; what the poller says, it says again.
    fn merge(&self, earlier: u64, later: u64) -> u64 {
        earlier.min(later)
    }

    fn call(&self, context: &Context, id: Id) {
        let tell = |event: StreamEvent<'_>| self.callback.call(context, id, event);
        match self.state.telling.take() {
            None => {}
            Some(Telling::Opened) => tell(StreamEvent::Opened),
            Some(Telling::Received(received)) => tell(StreamEvent::Data(received.bytes())),
            Some(Telling::End) => tell(StreamEvent::End),
            Some(Telling::Water { high: true, queued }) => tell(StreamEvent::High(queued)),
            Some(Telling::Water { high: false, queued }) => tell(StreamEvent::Low(queued)),
            Some(Telling::Written(written, true)) => written.tell(Outcome::default()),
            Some(Telling::Written(written, false)) => {
                written.tell(self.state.failure.get().unwrap_or(Outcome::closed()));
            }
            Some(Telling::Closed(outcome)) => tell(StreamEvent::Closed(outcome)),
        }
    }

    fn settle(&self, to: &Connections, id: Id) -> Next {
        let state = &self.state;
        state.in_call.set(false);
        if state.over.get() {
            return Next::Close;
        }
        // In the next iteration: one that has always something to tell keeps no other source waiting.
        state.touch(to, id);
        Next::Keep
    }

    fn detach(&self, to: &Connections, id: Id) {
        self.state.over.set(true);
        // The pool may still resolve its name, which concerns nobody any more.
        self.state.leave(to, id);
    }

    fn mute(&self, to: &Connections, id: Id) {
        self.state.set_interest(to, id, false);
    }

    fn unmute(&self, to: &Connections, id: Id) {
        self.state.set_interest(to, id, true);
    }

    fn close_in_child(&self) {
        match &*self.state.phase.borrow() {
            Phase::Open(socket) => socket.close_in_child(),
            Phase::Connecting(connecting) => connecting.close_in_child(),
            Phase::Over => {}
        }
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }

    fn drop_runs_user_code(&self) -> bool {
        self.callback.drop_runs_user_code() || self.state.outbox.borrow().is_awaited()
    }

    fn end_one(&self) -> bool {
        let written = self.state.outbox.borrow_mut().take_any();
        written.map(|written| written.tell(Outcome::closed())).is_some()
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
