//! The library as its users call it, a file per hazard: `cargo test --test guest`, `cargo test --test guest timers::`.
//!
//! One program, because what the files share is then compiled once. Its tests run one at a time (`alone`).

#[path = "../common/mod.rs"]
mod common;

mod abandoned;
mod budget;
mod cancel;
mod chaos;
mod children;
mod connect;
mod console;
mod deadline;
mod drives;
mod drops;
mod edge;
mod ended;
mod fds;
mod fork;
mod handles;
mod listeners;
mod many;
mod misuse;
mod model;
mod nested;
mod observe;
mod own_work;
mod posts;
mod precision;
mod pull;
mod reentrancy;
mod resolve;
mod shutdown;
mod signals;
mod stale;
mod stream_ends;
mod streams;
mod timers;
mod udp;
mod wait;
mod wakes;
mod wire;
mod work;
