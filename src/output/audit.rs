//! The audit log, as people read it.
//!
//! Constraint kept: what stands in the log was written by others, so that nothing of it reaches a terminal as a control
//! character.

use std::fmt::Write as _;

use crate::domain::audit::Actor;
use crate::domain::audit::root::{Root, RootsChecked};
use crate::domain::ids::Digest;
use crate::ops::audit::Shown;
use crate::ops::audit::verify::Verified;

use super::Style;
use super::table::width;
use super::tenants::history::difference;

/// Records, a line each.
pub fn lines(records: &[Shown], style: Style) -> String {
    if records.is_empty() {
        return "There are no records of that time.".to_owned();
    }
    records.iter().map(|record| line(record, style)).collect::<Vec<_>>().join("\n")
}

/// A record on one line: when, what, what about, from what to what, and who.
pub fn line(shown: &Shown, style: Style) -> String {
    let subject = shown.subject.to_string();
    let Some(record) = &shown.record else {
        let problem = shown.problem.as_deref().unwrap_or("it cannot be read");
        return format!("{:<19}  {subject} {} {}", "-", shown.seq, style.bad(&safe(problem)));
    };
    let (at, action) = (time(record.at_ms), safe(&record.action));
    let change = safe(&difference(&record.from, &record.to));
    let said = format!("{at}  {subject:<20} {action:<18} {change}  {}", who(&record.actor));
    let fitted = cut(said.trim_end(), width().map_or(usize::MAX, usize::from));
    match &shown.problem {
        Some(problem) => format!("{fitted}\n{}", style.bad(&format!("  ! {}", safe(problem)))),
        None => fitted,
    }
}

/// A time for people.
pub fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).ok();
    time.map_or_else(|| "-".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Who it was: the last part of the ARN, and the CI run or the user and machine.
fn who(actor: &Actor) -> String {
    let resource = actor.identity.splitn(6, ':').nth(5).unwrap_or(&actor.identity);
    let name = resource.split_once('/').map_or(resource, |(_, name)| name);
    match &actor.ci_url {
        Some(url) => format!("by {}, CI {}", safe(name), safe(run(url))),
        None => format!("by {} ({})", safe(name), safe(&actor.user)),
    }
}

/// The last two parts of the address of a CI run.
fn run(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let start = url.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    &url[start..]
}

fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What a verification found.
pub fn verified(verified: &Verified, style: Style) -> String {
    let mut text = String::new();
    for flaw in &verified.flaws {
        let _ = writeln!(text, "{} {}: {}", style.bad("!"), style.strong(&flaw.subject), safe(&flaw.message));
    }
    let unlisted = verified.found - verified.flaws.len() as u64;
    if unlisted > 0 {
        let _ = writeln!(text, "{} and {unlisted} more", style.bad("!"));
    }
    let Verified { chains, records, roots, .. } = verified;
    let word = if verified.found == 0 { style.good("unbroken") } else { style.bad("broken") };
    let _ = writeln!(text, "{word}: looked at {chains} chains, {records} records, {roots} roots");
    for root in &verified.against {
        let kept = if root.given { "kept elsewhere" } else { "the latest" };
        let _ = writeln!(
            text,
            "held against root {} of {} UTC ({kept}): {}",
            root.seq,
            time(root.at_ms),
            root.digest.short()
        );
    }
    text
}

/// The roots.
pub fn roots(checked: &RootsChecked, style: Style) -> String {
    if checked.roots.is_empty() && checked.flaws.is_empty() {
        return "There are no roots. `cellctl audit sign` makes one.".to_owned();
    }
    let mut text = String::new();
    for (root, digest) in &checked.roots {
        let _ = writeln!(text, "{}", root_line(root, digest));
    }
    for flaw in &checked.flaws {
        let _ = writeln!(text, "{} {}", style.bad("!"), safe(&flaw.message));
    }
    text
}

fn root_line(root: &Root, digest: &Digest) -> String {
    let note = root.note.as_deref().map(|note| format!("  {}", safe(note))).unwrap_or_default();
    let chains = root.subjects;
    format!("{:>4}  {}  {digest}  {chains} chains  {}{note}", root.seq, time(root.at_ms), who(&root.actor))
}

/// A root that was made just now.
pub fn signed(root: &Root, digest: &Digest, style: Style) -> String {
    let Root { seq, subjects, .. } = root;
    format!("{} root {seq} over {subjects} chains\n{digest}", style.good("signed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Record;
    use crate::domain::audit::chain::{Flaw, FlawKind};
    use crate::ops::audit::verify::Against;
    use serde_json::{Value as Json, json};

    fn shown(from: Json, to: Json, identity: &str, ci_url: Option<&str>) -> Shown {
        let actor =
            Actor { identity: identity.to_owned(), user: "ann@desk".to_owned(), ci_url: ci_url.map(str::to_owned) };
        let subject: crate::domain::audit::Subject = "tenant/acme".parse().expect("valid");
        let record = Record {
            format: 1,
            subject: subject.clone(),
            seq: 1,
            at_ms: 1_700_000_000_000,
            actor,
            action: "set".to_owned(),
            from,
            to,
            prev: None,
        };
        Shown { subject, seq: 1, hash: String::new(), record: Some(record), problem: None }
    }

    #[test]
    fn a_record_is_one_line_of_what_differs() {
        let from = json!({ "cell": "cell-1", "epoch": 1, "state": "active" });
        let to = json!({ "cell": "cell-1", "epoch": 2, "state": "removed" });
        let role = "arn:aws:sts::111122223333:assumed-role/deploy/ann";
        let line = line(&shown(from, to, role, Some("https://github.com/o/r/actions/runs/42")), Style::new(false));
        assert_eq!(
            line,
            "2023-11-14 22:13:20  tenant/acme          set                epoch 1 → 2, state active → removed  by deploy/ann, CI runs/42"
        );
    }

    #[test]
    fn a_verification_names_its_flaws_and_what_it_was_held_against() {
        let flaw = Flaw {
            subject: "tenant/acme".to_owned(),
            kind: FlawKind::TextChanged,
            seq: Some(2),
            to: None,
            message: "record 2 was changed: its text does not have its hash".to_owned(),
        };
        let digest = Digest::of(b"root");
        let against = vec![Against { seq: 3, digest: digest.clone(), at_ms: 0, given: true }];
        let found = Verified { chains: 5, records: 9, roots: 3, against, broken: 1, found: 2, flaws: vec![flaw] };
        let expected = format!(
            "! tenant/acme: record 2 was changed: its text does not have its hash\n! and 1 more\nbroken: looked at 5 chains, \
             9 records, 3 roots\nheld against root 3 of 1970-01-01 00:00:00 UTC (kept elsewhere): {}\n",
            digest.short()
        );
        assert_eq!(verified(&found, Style::new(false)), expected);
    }

    #[test]
    fn what_others_wrote_sends_no_control_characters() {
        let shown = shown(Json::Null, json!({ "reason\u{1b}[2J": "a\nb\u{7}" }), "arn\u{1b}", None);
        let line = line(&shown, Style::new(false));
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
