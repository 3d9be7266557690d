//! The page of a rollout: one HTML file that asks for nothing else.
//!
//! Constraints kept: every value is escaped by the template engine; the page's policy allows its own style sheet and nothing
//! more, no script at all; its size is bounded: a cell is its name and its tenants, the journal is folded.

mod chart;
mod journal;
mod view;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, context, escape_formatter};

use crate::domain::rollout::change::Content;
use crate::ops::rollout::Shown;
use crate::ops::{ErrorKind, OpError};

use super::words::legible;

const TEMPLATE: &str = include_str!("report.html.j2");
/// The style sheet, as it stands between the tags.
const STYLE: &str = include_str!("report.css");
/// Digest of the style sheet, for the page's policy: SHA-256, as base64. A test tells the right one.
const STYLE_SHA256: &str = "gGdZSDDVIC6KgirnVKYPF1hcNwGy0hHFWnwpYhGaqz0=";

/// A page that shows all of a rollout: outcome, timeline, waves, gates, cells, journal.
pub fn page(shown: &Shown, content: &Content) -> Result<String, OpError> {
    let page = view::page(shown, content);
    let values = context! {
        page => Value::from(Serde(&page)),
        style => Value::from_safe_string(STYLE.to_owned()),
        style_sha256 => STYLE_SHA256,
    };
    let made = environment().and_then(|environment| environment.render_str(TEMPLATE, values));
    made.map_err(|error| {
        OpError::new(ErrorKind::Failed, format!("the page of rollout {} cannot be made: {error}", shown.state.plan.id))
            .hint(
                "this is a fault of cellctl: please report it; `cellctl rollout status` shows the same in the terminal",
            )
    })
}

/// An engine that escapes every value, leaves out of it what no eye sees, and takes none that is not there.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(legible(text))),
        _ => escape_formatter(out, state, value),
    });
    Ok(environment)
}
