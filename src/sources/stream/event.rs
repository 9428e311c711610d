//! L3. What is told of a stream, how it is set up, and how it looks: what the layers above see. Imports the outcome and `sys`.

use super::outbox::Outcome;
use crate::sys::{Address, OsFd};

/// What is told of a stream.
#[derive(Clone, Copy, Debug)]
pub enum StreamEvent<'a> {
    /// The connection stands: of streams that connect.
    Opened,
    /// This was read; a view that lasts as long as the call.
    Data(&'a [u8]),
    /// The other end writes no more.
    End,
    /// So many bytes are queued to be sent: more than the high mark.
    High(u64),
    /// So few bytes are queued again: no more than the low mark.
    Low(u64),
    /// The stream has ended, and this is its last event.
    Closed(Outcome),
}

/// How a stream shall behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// It is read; else it is only written to.
    pub reads: bool,
    /// Reading begins when it is resumed.
    pub paused: bool,
    /// TCP: small writes are not held back.
    pub no_delay: bool,
    /// The system asks a silent peer now and then whether it is still there.
    pub keep_alive: bool,
    /// [`StreamEvent::High`] is told when more bytes than this are queued,
    pub high_water: u64,
    /// and [`StreamEvent::Low`] when no more than this are left.
    pub low_water: u64,
    /// So many bytes the library reads while the host is away, in a drive with an I/O thread.
    pub read_ahead: u64,
}

impl Default for StreamOptions {
    fn default() -> StreamOptions {
        let (high_water, low_water) = (64 << 10, 16 << 10);
        StreamOptions {
            reads: true,
            paused: false,
            no_delay: false,
            keep_alive: false,
            high_water,
            low_water,
            read_ahead: 0,
        }
    }
}

/// A stream as it is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its socket, which stays the stream's; `None` while it connects, and when it has ended.
    pub fd: Option<OsFd>,
    /// This end; `None` also where the system does not know it.
    pub local: Option<Address>,
    /// The other end.
    pub peer: Option<Address>,
    /// Bytes that wait to be sent,
    pub queued: u64,
    /// that were sent,
    pub sent: u64,
    /// and that were read.
    pub received: u64,
    /// Bytes that were read ahead, and wait for a delivery.
    pub read_ahead: u64,
}
