//! `cellctl audit`

use clap::{Args, Subcommand};

use crate::domain::audit::Subject;
use crate::domain::ids::Digest;
use crate::ops::audit::tail::{self, Follower};
use crate::ops::audit::verify::{self, Verified};
use crate::ops::audit::{Shown, broken, roots, sign};
use crate::ops::{OpError, World};
use crate::output::{Format, audit as show};

use super::context;
use super::{Ran, Session};

/// Show, prove and sign off the audit log.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show the latest records of all tenants and cells, the newest last.
    Tail(TailArgs),
    /// Prove that no record was changed, taken away or put in.
    ///
    /// Reads only. Ends with 1 when something is wrong, and names it.
    Verify(VerifyArgs),
    /// Sign off the log as it is, and print the digest to keep where nobody who can write the log can reach it.
    Sign {
        /// A note for people, such as the number of a ticket.
        #[arg(long, value_name = "TEXT", value_parser = note)]
        note: Option<String>,
    },
    /// List what was signed off.
    Roots,
}

#[derive(Debug, Args)]
struct TailArgs {
    /// From when on: a span such as 30m, 1h or 7d, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "7d", value_parser = since)]
    since: Since,
    /// How many records.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(tail::LOOK_MAX)))]
    limit: u32,
    /// Go on and show records as they come, until Ctrl-C. For machines: one document a line for each record.
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Only the chain of this tenant or cell: tenant/NAME or cell/NAME.
    subject: Option<Subject>,
    /// Digest of a root that was kept elsewhere: the roots must have it, and the chains must have what it has.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    root: Option<Digest>,
}

/// From when on.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// So many milliseconds ago.
    AgoMs(i64),
    /// At a time, in milliseconds since 1970.
    AtMs(i64),
}

impl Since {
    fn at_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::AgoMs(ago) => now_ms.saturating_sub(ago),
            Self::AtMs(at) => at,
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::AtMs(time.as_millisecond()));
    }
    let wrong = |why: jiff::Error| format!("{why}; use 30m, 1h, 7d or a time such as 2026-01-31T12:00:00Z");
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    let ago_ms = i64::try_from(span.as_millis()).map_err(|_| "it is too long ago".to_owned())?;
    if ago_ms < 0 { Err("it is in the future".to_owned()) } else { Ok(Since::AgoMs(ago_ms)) }
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::try_from(text.to_lowercase()).map_err(|error| error.to_string())
}

/// Longest note, in characters: a sentence.
const NOTE_MAX: usize = 200;

fn note(text: &str) -> Result<String, String> {
    if text.chars().count() > NOTE_MAX || text.chars().any(char::is_control) {
        return Err(format!("use at most {NOTE_MAX} characters, without control characters"));
    }
    Ok(text.to_owned())
}

/// Carries out the command.
pub async fn run(args: AuditArgs, session: &Session) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    match args.command {
        AuditCommand::Tail(args) => show_tail(&args, &world, session).await,
        AuditCommand::Verify(args) => prove(&args, &world, session).await,
        AuditCommand::Sign { note } => {
            let actor = context::actor(session, &fleet, &world).await?;
            let (root, digest) = sign::sign(&world, actor, note).await?;
            let data = serde_json::json!({ "digest": digest, "root": root });
            session.printer.result("cellctl.audit-sign/v1", &data, |style| show::signed(&root, &digest, style));
            Ok(0)
        }
        AuditCommand::Roots => list_roots(&world, session).await,
    }
}

async fn show_tail(args: &TailArgs, world: &World, session: &Session) -> Ran {
    let since_ms = args.since.at_ms(world.clock.now_ms());
    let records = tail::latest(world, since_ms, args.limit).await?;
    if !args.follow {
        session.printer.result("cellctl.audit-tail/v1", &records, |style| show::lines(&records, style));
        return Ok(0);
    }
    let mut follower = Follower::new(since_ms);
    follower.note(&records);
    print(session, &records);
    loop {
        world.clock.sleep(tail::FOLLOW_EVERY).await;
        let fresh = follower.look(world).await?;
        if fresh.cut_off {
            session
                .printer
                .note(&format!("more than {} records came at once; the older ones are left out", tail::LOOK_MAX));
        }
        print(session, &fresh.records);
    }
}

fn print(session: &Session, records: &[Shown]) {
    let printer = &session.printer;
    for record in records {
        match printer.options().format {
            Format::Text => printer.data(&show::line(record, printer.style())),
            Format::Json | Format::Ndjson => printer.document("cellctl.audit-record/v1", record, false),
        }
    }
}

async fn prove(args: &VerifyArgs, world: &World, session: &Session) -> Ran {
    let kept = args.root.as_ref();
    let verified: Verified = match &args.subject {
        Some(subject) => verify::one(world, subject, kept).await?,
        None => verify::all(world, kept).await?,
    };
    session.printer.result("cellctl.audit-verify/v1", &verified, |style| show::verified(&verified, style));
    if verified.found > 0 {
        return Err(broken(verified.found, verified.broken));
    }
    if kept.is_none() {
        session.printer.note(
            "who can write the table can rewrite it all: pass --root with a digest that was kept elsewhere to prove more",
        );
    }
    Ok(0)
}

async fn list_roots(world: &World, session: &Session) -> Ran {
    let checked = roots(world).await?;
    let rows: Vec<serde_json::Value> =
        checked.roots.iter().map(|(root, digest)| serde_json::json!({ "digest": digest, "root": root })).collect();
    let data = serde_json::json!({ "roots": rows, "flaws": checked.flaws });
    session.printer.result("cellctl.audit-roots/v1", &data, |style| show::roots(&checked, style));
    let flaws = checked.flaws.len() as u64;
    if flaws == 0 { Ok(0) } else { Err::<u8, OpError>(broken(flaws, 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_span_or_a_moment() {
        assert_eq!(since("1h").expect("a span").at_ms(10_000_000), 6_400_000);
        assert_eq!(since("7d").expect("a span").at_ms(604_800_000), 0);
        assert_eq!(since("1970-01-01T00:00:01Z").expect("a time").at_ms(9), 1_000);
        for bad in ["", "x", "1", "-1h", "1970-13-01"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_whole() {
        assert!(digest(&"A".repeat(64)).is_ok());
        assert!(digest("abc123").is_err());
    }
}
