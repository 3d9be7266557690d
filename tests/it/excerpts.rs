//! The code in docs/applications.md, held against the example function: each excerpt is a whole function of it.

use std::fs;
use std::path::Path;

/// The lines of a text, each indented by as many spaces, empty ones excepted.
fn indented(text: &str, spaces: usize) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(spaces)) };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether a source has this function, at the top or in a class, and whole: what follows it is not a part of it.
fn has(source: &str, function: &str) -> bool {
    [0, 4].into_iter().any(|spaces| {
        let text = indented(function, spaces) + "\n";
        let rest = source.split_once(&text).map(|(_, rest)| rest);
        let next = rest.and_then(|rest| rest.lines().find(|line| !line.is_empty()));
        rest.is_some() && next.is_none_or(|line| line.len() - line.trim_start().len() <= spaces)
    })
}

/// The functions of the document's Python.
fn excerpts(document: &str) -> Vec<String> {
    let blocks = document.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next());
    let functions = blocks.flat_map(|block| block.split("\ndef ").collect::<Vec<_>>());
    functions.map(|text| format!("def {}", text.trim_start_matches("def ").trim_end())).collect()
}

#[test]
fn the_code_that_is_shown_is_that_of_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
    let sources = ["fence", "index", "stream"].map(|name| read(&format!("functions/processor/{name}.py")));
    let excerpts = excerpts(&read("docs/applications.md"));
    assert!(excerpts.len() > 8, "only {} excerpts were found", excerpts.len());
    for excerpt in &excerpts {
        assert!(sources.iter().any(|source| has(source, excerpt)), "the example has no\n{excerpt}");
        let cut: Vec<&str> = excerpt.lines().collect();
        let cut = cut[..cut.len() - 1].join("\n");
        assert!(!sources.iter().any(|source| has(source, &cut)), "half of a function passes for one:\n{cut}");
    }
}
