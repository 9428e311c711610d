#![allow(missing_docs)]
pub mod clock; pub mod error; pub mod id; mod sync; pub mod ffi;
