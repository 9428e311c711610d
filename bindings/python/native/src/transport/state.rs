//! What a transport knows of itself.
//!
//! Locked for a moment, with the interpreter lock held, and never while an object is made or may end: both can run Python
//! code, which comes back here. So what is replaced is handed out, to be dropped by the caller.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::extra::Extra;
use super::queue::{Chunk, Queue};

/// asyncio's names for all of them are those of `_SelectorSocketTransport`, with an underscore.
pub struct State {
    /// These four until `connection_lost` has been called.
    pub event_loop: Option<Py<PyAny>>,
    /// Of a pipe its file object, asyncio's `_pipe`.
    pub sock: Option<Py<PyAny>>,
    pub protocol: Option<Py<PyAny>>,
    pub server: Option<Py<PyAny>>,
    pub extra: Option<Extra>,
    /// What all of it runs in, from CPython 3.15 on; None: each time in a copy of what is current.
    pub context: Option<Py<PyAny>>,
    pub seldom: Option<Box<Seldom>>,
    /// Bytes that one look at the socket takes.
    pub max_size: usize,
    /// `connection_lost` is scheduled or has been called.
    pub lost: bool,
    /// How much was written that went nowhere, a pipe's own failure included.
    pub lost_writes: u32,
    pub closing: bool,
    pub paused: bool,
    pub eof: bool,
    pub protocol_paused: bool,
    /// The protocol is a BufferedProtocol.
    pub buffered: bool,
}

/// What an idle connection has not, and so takes no memory for.
#[derive(Default)]
pub struct Seldom {
    /// Done when the queue is empty: somebody sends a file past the transport.
    pub empty_waiter: Option<Py<PyAny>>,
    /// The one that datagrams may be sent to; None: any, or the one that the socket is connected to.
    pub address: Option<Py<PyAny>>,
    /// None: asyncio's own limit.
    pub high_water: Option<Py<PyAny>>,
    pub low_water: Option<Py<PyAny>>,
    pub queue: Queue,
}

impl Deref for State {
    type Target = Seldom;

    fn deref(&self) -> &Seldom {
        static NOTHING: LazyLock<Seldom> = LazyLock::new(Seldom::default);
        self.seldom.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }
}

impl State {
    pub fn count_lost_write(&mut self) {
        self.lost_writes = self.lost_writes.saturating_add(1);
    }

    /// Forgets what is queued. Returns it.
    pub fn take_queue(&mut self) -> VecDeque<Chunk> {
        let Some(seldom) = &mut self.seldom else { return VecDeque::new() };
        seldom.queue.length = 0;
        std::mem::take(&mut seldom.queue.chunks)
    }

    /// For Python's garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for object in [
            &self.event_loop,
            &self.sock,
            &self.protocol,
            &self.server,
            &self.empty_waiter,
            &self.context,
            &self.address,
            &self.high_water,
            &self.low_water,
        ] {
            visit.call(object)?;
        }
        if let Some(Extra::Made(dict)) = &self.extra {
            visit.call(dict)?; // a plain socket and names of numbers and text lead nowhere
        }
        self.queue.traverse(visit)
    }

    /// Keeps nothing of Python's any more, and has nothing to do any more. Returns what it had.
    pub fn clear(&mut self) -> impl Sized {
        self.lost = true;
        self.closing = true;
        let objects = [
            self.event_loop.take(),
            self.sock.take(),
            self.protocol.take(),
            self.server.take(),
            self.context.take(),
        ];
        (objects, self.extra.take(), self.seldom.take())
    }
}
