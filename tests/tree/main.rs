//! What can be said of the tree without a guest: its layers, the header and who has it already, what is exported and packed.

mod abi;
mod declarations;
mod exports;
mod header;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod interface;
mod layers;
mod package;
mod source;
mod systems;
