//! What the linker makes of the module: nothing but its `PyInit__native` is to be seen. Two copies of the library in one
//! process (this and, say, a C program's own) must not see each other's functions.

fn main() {
    println!("cargo:rerun-if-changed=native/build.rs");
    println!("cargo:rerun-if-changed=native/exports.map");
    println!("cargo:rerun-if-changed=native/exports.def");
    println!("cargo:rerun-if-env-changed=CARGO_ZIGBUILD_TARGET");
    // rustc gives the linker a list of its own, in which the library's functions are. Binutils and lld can leave them out
    // of it, but know no second list; zig (scripts/wheels.sh) is the other way round.
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/native");
    match (os.as_str(), std::env::var_os("CARGO_ZIGBUILD_TARGET").is_some()) {
        ("linux", true) => println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={folder}/exports.map"),
        ("linux", false) => println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL"),
        ("windows", true) => println!("cargo:rustc-cdylib-link-arg={folder}/exports.def"),
        _ => {}
    }
}
