//! What can be said of the tree without a guest: its layers, the header and who has it already, what is exported and packed.

#![cfg(unix)] // the same wherever it runs, and the library that is exported and packed is that of Linux

mod abi;
mod circles;
mod declarations;
mod exports;
mod header;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod interface;
mod layers;
mod package;
mod source;
mod systems;
