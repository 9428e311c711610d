//! Reads the functions of `include/asyncguest.h`.
#![allow(dead_code)] // no test looks at all of it

/// One declaration.
pub struct Function {
    pub name: String,
    /// The comment before it.
    pub doc: String,
    /// From the return type to the closing parenthesis.
    pub declaration: String,
    /// Only Windows has it.
    pub on_windows: bool,
}

/// The header as it is committed.
pub fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/asyncguest.h");
    std::fs::read_to_string(path).expect("include/asyncguest.h is readable")
}

/// Every `GUEST_API` function of a header.
pub fn functions(header: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut before = 0;
    for (at, _) in header.match_indices("\nGUEST_API") {
        let declaration = header[at..].split(';').next().unwrap_or_default().trim();
        let declaration = declaration.trim_start_matches("GUEST_API").trim();
        let name = declaration.split('(').next().and_then(|s| s.rsplit([' ', '*', '\n']).next());
        // A comment belongs to what follows it at once.
        let between = header[before..at].trim_end();
        let doc =
            between.rfind("/**").filter(|_| between.ends_with("*/")).map_or("", |start| &between[start..]);
        let block = header[..at].rfind("\n#if defined(_WIN32)\n");
        functions.push(Function {
            on_windows: block.is_some_and(|block| !header[block..at].contains("\n#endif")),
            name: name.unwrap_or_default().to_owned(),
            doc: doc.to_owned(),
            declaration: declaration.to_owned(),
        });
        before = at + "\nGUEST_API".len();
    }
    functions
}
