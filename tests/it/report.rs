//! The page of a rollout: whole, escaped, closed to the network, of a bounded size. The pages are left in
//! `target/tmp/rollout-report`, where `tests/html/check.sh` opens them in a browser.

use std::fs;
use std::path::Path;

use aws_smithy_types::base64;
use cellctl::output::rollout::html::page;
use sha2::{Digest as _, Sha256};

use crate::support::rollout_stories::{self as stories, Story};

fn html(story: &Story) -> String {
    page(&story.shown, &story.content).expect("a page")
}

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// The elements that are open at the end, which must be none; each end must be that of the last beginning.
fn unclosed(html: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for piece in html.split('<').skip(1).filter(|piece| !piece.starts_with('!')) {
        let tag = piece.split('>').next().expect("a tag");
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "in {piece}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    open
}

#[test]
fn every_page_is_well_formed_and_leaves_nothing_empty() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rollout-report");
    fs::create_dir_all(&dir).expect("a folder");
    for story in stories::all() {
        let html = html(&story);
        assert_eq!(unclosed(&html), Vec::<String>::new(), "{}", story.name);
        assert!(!html.contains("{{") && !html.contains("None") && !html.contains("undefined"), "{}", story.name);
        fs::write(dir.join(format!("{}.html", story.name)), html).expect("written");
    }
}

#[test]
fn the_policy_allows_the_style_sheet_and_nothing_else() {
    let html = html(&stories::taken_back());
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style sheet");
    let digest = base64::encode(Sha256::digest(style));
    let policy = html.split("Security-Policy\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let wanted = format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'");
    assert_eq!(
        policy,
        Some(wanted.as_str()),
        "STYLE_SHA256 in src/output/rollout/html.rs is that of another style sheet"
    );
    let asks = [" src=", " href=", "<link", "<script", "<img", "<iframe", "url(", "@import", " style=", " on"];
    let markup = html.replace(style, "");
    for word in asks {
        let place = if word.starts_with('<') || word.starts_with(' ') { &markup } else { &html };
        let found =
            place.split('<').any(|piece| piece.split('>').next().is_some_and(|tag| format!("<{tag}").contains(word)));
        assert!(!found, "{word}");
        assert!(!style.contains(word.trim()) || word.starts_with(' '), "{word}");
    }
}

#[test]
fn what_comes_from_outside_is_text_and_nothing_else() {
    let html = html(&stories::hostile());
    assert!(html.matches("&lt;script&gt;").count() >= 8, "reasons, hint, commit, gate, journal");
    for word in ["<script", "<!--", "<img"] {
        assert!(!html.contains(word), "{word}");
    }
    // What would steer a text is shown as what it is not.
    assert!(!html.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn a_page_says_what_happened() {
    let html = html(&stories::taken_back());
    for words in [
        "<h1>Taken back</h1>",
        "gate errors failed: median 14 a minute",
        "AWS&#x2f;Lambda Errors (Sum), higher is worse, tolerance 10 %, at least 5 points a side of 60 s",
        "failed the wave",
        "taken back for 3 min 0 s",
        "baked for 3 min 0 s, failed",
        "230",
    ] {
        assert!(html.contains(words), "{words}");
    }
    let (failed, holds) = (html.find(">fails<").expect("the failed gate"), html.find(">holds<").expect("another one"));
    assert!(failed < holds, "the worst comes first");
}

#[test]
fn the_page_of_ten_thousand_cells_is_below_two_megabytes() {
    let story = stories::large();
    let html = html(&story);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert!(html.contains("cell-10000 <i>37</i>"), "each cell is named");
}
