//! L1. What every system keeps.

mod alarm;
mod latch;
