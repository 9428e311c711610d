//! Refuses systems that the crate has no way to wait on, before the compiler says so a hundred times. Gives the shared
//! library its soname (`libasyncguest.so.MAJOR`), so that programs linked against it ask the loader for the ABI's major
//! version and not for a file name, and keeps it loaded: a signal handler of another library may forward to ours for as
//! long as the process lives. A DLL has no soname, but a version resource, and pins itself (`src/sys/windows/module.rs`).

use std::io;
use std::path::PathBuf;
use std::process::Command;

fn cargo_says(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    let os = cargo_says("CARGO_CFG_TARGET_OS");
    let bits = cargo_says("CARGO_CFG_TARGET_POINTER_WIDTH");
    if !matches!(os.as_str(), "linux" | "windows") || bits != "64" {
        println!(
            "cargo::error=libasyncguest runs on 64-bit Linux and, for trials, on 64-bit Windows alone so far, and this is a \
             build for {os}, {bits}-bit; src/sys/mod.rs lists what another system has to supply"
        );
        return;
    }
    // cargo hands what is for the linker on to the shared library of a crate that depends on this one.
    let embedded = std::env::var_os("CARGO_FEATURE_EMBEDDED").is_some();
    if os == "windows" {
        if embedded {
            return;
        }
        match version_resource() {
            Ok(object) => println!("cargo:rustc-cdylib-link-arg={}", object.display()),
            Err(why) => println!("cargo:warning=asyncguest.dll has no version resource: {why}"),
        }
        return;
    }
    let major = cargo_says("CARGO_PKG_VERSION_MAJOR");
    if !embedded {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libasyncguest.so.{major}");
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}

/// What Windows shows of a DLL, compiled by the tool chain's resource compiler; or what was missing, and the remedy.
fn version_resource() -> Result<PathBuf, String> {
    let folder = PathBuf::from(cargo_says("OUT_DIR"));
    let source = folder.join("version.rc");
    std::fs::write(&source, version_rc()).map_err(|error| format!("{}: {error}", source.display()))?;
    if cargo_says("CARGO_CFG_TARGET_ENV") == "msvc" {
        let object = folder.join("version.res"); // which the linker takes as it is
        compile("RC", &["rc.exe", "llvm-rc"], |tool| {
            tool.args(["/nologo", "/fo"]).arg(&object).arg(&source)
        })?;
        return Ok(object);
    }
    let object = folder.join("version.o");
    let prefixed = format!("{}-w64-mingw32-windres", cargo_says("CARGO_CFG_TARGET_ARCH"));
    compile("WINDRES", &[&prefixed, "windres"], |tool| tool.arg(&source).arg(&object))?;
    Ok(object)
}

/// Runs the resource compiler that `variable` names, else the first of `names` that there is.
fn compile(
    variable: &str,
    names: &[&str],
    with_arguments: impl Fn(&mut Command) -> &mut Command,
) -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={variable}");
    let named = cargo_says(variable);
    let names = if named.is_empty() { names } else { &[named.as_str()] };
    for name in names {
        match with_arguments(&mut Command::new(name)).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                let first_line = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
                return Err(format!("{name} has failed ({}): {first_line}", output.status));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    let tried = names.join(" and ");
    Err(format!("there is no {tried}; install the tool chain's resource compiler, or name it in {variable}"))
}

/// The resource as text: `Cargo.toml` says it all. By numbers, so that no header of Windows is needed.
fn version_rc() -> String {
    let version = cargo_says("CARGO_PKG_VERSION");
    let part = |name: &str| cargo_says(&format!("CARGO_PKG_VERSION_{name}"));
    let numbers = format!("{},{},{},0", part("MAJOR"), part("MINOR"), part("PATCH"));
    let strings = [
        ("FileDescription", cargo_says("CARGO_PKG_DESCRIPTION")),
        ("FileVersion", version.clone()),
        ("InternalName", "asyncguest".to_owned()),
        ("LegalCopyright", cargo_says("CARGO_PKG_LICENSE")),
        ("OriginalFilename", "asyncguest.dll".to_owned()),
        ("ProductName", "libasyncguest".to_owned()),
        ("ProductVersion", version),
    ];
    let strings: String =
        strings.iter().map(|(name, text)| format!("      VALUE \"{name}\", \"{text}\"\n")).collect();
    // A DLL (2) for Windows NT (0x40004); the texts are in English (0x409) and Unicode (1200).
    format!(
        "1 VERSIONINFO\nFILEVERSION {numbers}\nPRODUCTVERSION {numbers}\nFILEOS 0x40004\nFILETYPE 2\nBEGIN\n  \
         BLOCK \"StringFileInfo\"\n  BEGIN\n    BLOCK \"040904b0\"\n    BEGIN\n{strings}    END\n  END\n  \
         BLOCK \"VarFileInfo\"\n  BEGIN\n    VALUE \"Translation\", 0x409, 1200\n  END\nEND\n"
    )
}
