//! L1. Linux: epoll, timerfd, eventfd, pidfd, MADV_WIPEONFORK.

pub(super) mod alarm;
pub(super) mod child;
pub(super) mod fence;
pub(super) mod fork;
pub(super) mod handle;
pub(super) mod latch;
pub(super) mod poller;
pub(super) mod read_set;
pub(super) mod time;
