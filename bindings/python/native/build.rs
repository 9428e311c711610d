//! What the linker makes of the module: nothing but its `PyInit__native` is to be seen. Two copies of the library in one
//! process (this and, say, a C program's own) must not see each other's functions.

fn main() {
    println!("cargo:rerun-if-changed=native/build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}
