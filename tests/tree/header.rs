//! `include/asyncguest.h` is what cbindgen makes of `src/ffi`, and every function in it is documented.
//!
//!     GUEST_BLESS=1 cargo test --test tree header      writes the header anew

use crate::declarations;

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn generated() -> String {
    let mut config = cbindgen::Config::from_file(Path::new(ROOT).join("cbindgen.toml")).unwrap();
    // Behind the feature "test-hooks": not part of the ABI.
    config.export.exclude.push("guest_test_panic".into());
    let bindings = cbindgen::Builder::new().with_crate(ROOT).with_config(config).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    on_one_line(&in_parentheses(&String::from_utf8(text).unwrap()))
}

/// `#define X -1` becomes `#define X (-1)`, so that `0 -X` and `a X` stay what they look like.
fn in_parentheses(header: &str) -> String {
    let lines = header.lines().map(|line| match line.split_once(" -") {
        Some((define, number)) if define.starts_with("#define ") => format!("{define} (-{number})\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// A comment of one line has it between `/**` and `*/`, and these no lines of their own.
fn on_one_line(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in header.lines() {
        match lines.as_slice() {
            [.., begin, text] if line.trim() == "*/" && begin.trim() == "/**" => {
                let text = text.trim_start().trim_start_matches("* ");
                let comment = begin.clone() + " " + text + " */";
                lines.truncate(lines.len() - 2);
                lines.push(comment);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_header_is_up_to_date() {
    let generated = generated();
    if std::env::var_os("GUEST_BLESS").is_some() {
        std::fs::write(Path::new(ROOT).join("include/asyncguest.h"), &generated).unwrap();
        return;
    }
    let committed = declarations::text();
    if let Some((n, (is, should))) =
        committed.lines().zip(generated.lines()).enumerate().find(|(_, (is, should))| is != should)
    {
        let n = n + 1;
        panic!(
            "include/asyncguest.h:{n} is old:\n  {is}\nsrc/ffi says:\n  {should}\n\
             Run GUEST_BLESS=1 cargo test --test tree header, and look at what it changed."
        );
    }
    assert!(committed == generated, "include/asyncguest.h has another length than src/ffi says");
}

#[test]
fn every_function_says_its_thread_and_its_errors() {
    let functions = declarations::functions(&declarations::text());
    assert!(functions.len() > 30, "only {} functions found", functions.len());
    for function in functions {
        let declarations::Function { name, doc, declaration, .. } = &function;
        assert!(doc.contains("Thread:"), "{name}: the comment does not say which thread may call it");
        if declaration.starts_with("guest_status_t") && declaration.contains('*') {
            assert!(doc.contains("Errors:"), "{name}: the comment does not list its errors");
        }
    }
}

/// Compilers and systems that the header has to suit, also those that the library does not run on yet. Freestanding, so that
/// no other system's C library is needed.
const COMPILERS: [&[&str]; 6] = [
    &["cc"],
    &["cc", "-m32"],
    &["clang", "--target=x86_64-w64-windows-gnu"],
    &["clang", "--target=i686-w64-windows-gnu"],
    &["clang", "--target=arm64-apple-darwin"],
    &["clang", "--target=x86_64-unknown-freebsd"],
];

#[test]
fn the_header_compiles_for_other_systems_and_for_32_bit() {
    let folder = std::env::temp_dir().join(format!("asyncguest-header-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("header.c");
    std::fs::write(
        &program,
        "#include <asyncguest.h>\n\
         #if defined(_WIN32)\n\
         typedef char os_fd_is_a_handle[sizeof(guest_os_fd_t) == sizeof(void *) ? 1 : -1];\n\
         #else\n\
         typedef char os_fd_is_an_int[sizeof(guest_os_fd_t) == 4 ? 1 : -1];\n\
         #endif\n\
         typedef char id_is_64_bit[sizeof(guest_id_t) == 8 ? 1 : -1];\n\
         typedef char status_is_32_bit[sizeof(guest_status_t) == 4 ? 1 : -1];\n",
    )
    .unwrap();
    // Only some machines have a 32-bit mode.
    let here = |compiler: &&&[&str]| cfg!(target_arch = "x86_64") || !compiler.contains(&"-m32");
    for compiler in COMPILERS.iter().filter(here) {
        let options = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fsyntax-only"];
        let include = format!("-I{ROOT}/include");
        let mut command = std::process::Command::new(compiler[0]);
        match command.args(&compiler[1..]).args(options).arg(include).arg(&program).output() {
            Ok(output) => assert!(output.status.success(), "{compiler:?}: {output:?}"),
            Err(error) => println!("skipped: {} is not installed ({error})", compiler[0]),
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn negative_numbers_stand_in_parentheses() {
    assert_eq!(in_parentheses("#define A -12\n#define B 3\nx -1\n"), "#define A (-12)\n#define B 3\nx -1\n");
}

#[test]
fn comments_of_one_line_have_no_frame() {
    assert_eq!(on_one_line("/**\n * A * b.\n */\nx;\n"), "/** A * b. */\nx;\n");
    let two = "    /**\n     * A\n     * b.\n     */\n";
    assert_eq!(on_one_line(two), two);
}

#[test]
fn every_macro_has_our_prefix() {
    // What is not ours would be defined in the user's program too.
    let text = declarations::text();
    let names = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_whitespace().next());
    let foreign: Vec<_> =
        names.filter(|name| !name.starts_with("GUEST_") && *name != "ASYNCGUEST_H").collect();
    assert!(foreign.is_empty(), "exclude these in cbindgen.toml: {foreign:?}");
}
