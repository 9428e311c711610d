//! Guest mode for asynchronous I/O: a reactor that lives in somebody else's main loop.
//!
//! A GUI toolkit owns the main thread. The *waiting* happens on an I/O thread (or on one fd that the
//! host watches), everything *else* on the host's own thread, inside one call that the host makes.
//!
//! ```text
//!  host thread                              I/O thread "asyncguest-io"
//!  -----------                              --------------------------
//!  Guest::start(host, options)     ------>  asleep before the latch           POLLING
//!    ... host runs its own loop ...         something is ready: the latch opens
//!                                           host.post(token)                  POSTED
//!  host's queue reaches the token
//!  guest.deliver(token)                     watches: post again? stuck? nested?
//!    polls, runs callbacks, looks again                                       DELIVERING
//!    more, budget spent -> a new token, host.post_local: the host gets its turn
//!    nothing            -> arms the latch
//!                                           asleep before the latch           POLLING
//! ```
//!
//! The I/O thread only learns *that* something is ready; the host thread alone reads what. So a
//! token is a name and not a baton: lost, doubled, late or inlined, it costs time and nothing else.
//!
//! | layer | module | what |
//! |---|---|---|
//! | L0 | `error id clock sync room` | codes, ids, time, std or loom, how tables grow |
//! | L1 | `sys` | what the operating system supplies |
//! | L2 | `core` | hand-off, deliveries, timers, posts, the end |
//! | L3 | `sources` | fd, timer, signal, child, work, resolve, stream, listener, udp |
//! | L4 | `guest` | this safe API: [`Guest`], [`Handle`], [`Poster`] |
//! | L5 | `ffi` | the C ABI of `include/asyncguest.h` |

mod core;
mod guest;
mod room;
mod sources;
mod sync;
mod sys;

pub mod clock;
pub mod error;
pub mod ffi;
pub mod id;

pub use guest::{
    monotonic_ns, signal_arrivals, Address, ChildExit, Drive, Event, Guest, Handle, Host, Kind, LatchForm,
    ListenerInfo, ListenerOptions, Options, OsFd, Outcome, Posted, Poster, Query, Resolved, Stall, State,
    Stats, StreamEvent, StreamInfo, StreamOptions, UdpEvent, UdpInfo, UdpOptions, Written, BUCKETS,
    WORK_THREADS_MAX,
};
