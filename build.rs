//! Refuses systems that the crate has no way to wait on, before the compiler says so a hundred times. Gives the shared
//! library its soname (`libasyncguest.so.MAJOR`), so that programs linked against it ask the loader for the ABI's major
//! version and not for a file name, and keeps it loaded: a signal handler of another library may forward to ours for as
//! long as the process lives.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let cargo_says = |name: &str| std::env::var(name).unwrap_or_default();
    let os = cargo_says("CARGO_CFG_TARGET_OS");
    let bits = cargo_says("CARGO_CFG_TARGET_POINTER_WIDTH");
    if !matches!(os.as_str(), "linux" | "windows") || bits != "64" {
        println!(
            "cargo::error=libasyncguest runs on 64-bit Linux and, for trials, on 64-bit Windows alone so far, and this is a \
             build for {os}, {bits}-bit; src/sys/mod.rs lists what another system has to supply"
        );
        return;
    }
    if os == "windows" {
        return;
    }
    let major = cargo_says("CARGO_PKG_VERSION_MAJOR");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libasyncguest.so.{major}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
