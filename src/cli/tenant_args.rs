//! What is typed of a tenant's attributes, and what it means.
//!
//! Constraint kept: every name is checked here by the domain's own rule, so that a wrong one ends with the usage code
//! before anything is read or asked.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::domain::ids::{Region, Residency, Tier};
use crate::domain::tenant::label::{check_key, check_value};
use crate::domain::tenant::{Attributes, WEIGHT_DEFAULT, WEIGHT_MAX};
use crate::ops::{ErrorKind, OpError};

/// Attributes of a new tenant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Attributes")]
pub struct AttributesArgs {
    /// Tier of service; cells with `tiers` take only those.
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,
    /// Region that may hold the tenant; may be given more than once. Any when absent.
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<Region>,
    /// Set of Regions that may hold the tenant, by its name in fleet.yaml. Nothing overrides it.
    #[arg(long, value_name = "NAME")]
    residency: Option<Residency>,
    /// It needs a cell of type dedicated.
    #[arg(long)]
    dedicated: bool,
    /// It is willing to be served by a canary cell, and goes to one if one has room.
    #[arg(long)]
    canary: bool,
    /// Share of a cell that it takes, in the unit of the cells' capacity.
    #[arg(long, value_name = "NUMBER", default_value_t = WEIGHT_DEFAULT, allow_negative_numbers = true, value_parser = weight)]
    weight: u64,
    /// Label, for people and filters; may be given more than once.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

impl AttributesArgs {
    /// What was typed, in the domain's words.
    pub fn attributes(self) -> Result<Attributes, OpError> {
        Ok(Attributes {
            tier: self.tier,
            residency: self.residency,
            regions: self.regions.into_iter().collect(),
            dedicated: self.dedicated,
            canary: self.canary,
            weight: self.weight,
            labels: distinct(self.labels)?,
        })
    }
}

/// Attributes to change; what is not named stays.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Attributes to change")]
#[group(id = "changes", required = true, multiple = true)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that somebody types")]
pub struct ChangesArgs {
    /// Tier of service.
    #[arg(long, value_name = "TIER", conflicts_with = "no_tier")]
    tier: Option<Tier>,
    /// Take the tier away.
    #[arg(long)]
    no_tier: bool,
    /// Region that may hold the tenant, instead of those before; may be given more than once.
    #[arg(long = "region", value_name = "REGION", conflicts_with = "no_region")]
    regions: Vec<Region>,
    /// Any Region may hold it, as far as its residency allows.
    #[arg(long)]
    no_region: bool,
    /// Set of Regions that may hold the tenant, by its name in fleet.yaml.
    #[arg(long, value_name = "NAME", conflicts_with = "no_residency")]
    residency: Option<Residency>,
    /// Take the residency away.
    #[arg(long)]
    no_residency: bool,
    /// It needs a cell of type dedicated.
    #[arg(long, conflicts_with = "no_dedicated")]
    dedicated: bool,
    /// It needs no cell of type dedicated.
    #[arg(long)]
    no_dedicated: bool,
    /// It is willing to be served by a canary cell.
    #[arg(long, conflicts_with = "no_canary")]
    canary: bool,
    /// It is not willing to be served by a canary cell.
    #[arg(long)]
    no_canary: bool,
    /// Share of a cell that it takes, in the unit of the cells' capacity.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = weight)]
    weight: Option<u64>,
    /// Label to set; may be given more than once.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Label to take away; may be given more than once.
    #[arg(long = "no-label", value_name = "KEY", value_parser = label_key)]
    no_labels: Vec<String>,
}

impl ChangesArgs {
    /// Refuses a label that is given twice.
    pub fn check(&self) -> Result<(), OpError> {
        distinct(self.labels.iter().cloned()).map(|_| ())
    }

    /// The attributes as they are to be.
    pub fn apply(&self, before: &Attributes) -> Attributes {
        let mut labels = before.labels.clone();
        labels.retain(|key, _| !self.no_labels.contains(key));
        labels.extend(self.labels.iter().cloned());
        Attributes {
            tier: changed(self.tier.as_ref(), self.no_tier, before.tier.as_ref()),
            residency: changed(self.residency.as_ref(), self.no_residency, before.residency.as_ref()),
            regions: self.regions(&before.regions),
            dedicated: (before.dedicated || self.dedicated) && !self.no_dedicated,
            canary: (before.canary || self.canary) && !self.no_canary,
            weight: self.weight.unwrap_or(before.weight),
            labels,
        }
    }

    fn regions(&self, before: &BTreeSet<Region>) -> BTreeSet<Region> {
        if self.regions.is_empty() && !self.no_region {
            return before.clone();
        }
        self.regions.iter().cloned().collect()
    }
}

/// The new value, none where it is taken away, the old one otherwise.
fn changed<T: Clone>(new: Option<&T>, none: bool, before: Option<&T>) -> Option<T> {
    if none { None } else { new.or(before).cloned() }
}

fn weight(text: &str) -> Result<u64, String> {
    let weight = text.parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
    weight.ok_or_else(|| format!("use a whole number from 1 to {WEIGHT_MAX}"))
}

/// Labels by their keys. One that is given twice is refused: nobody can tell which value is meant.
pub fn distinct(labels: impl IntoIterator<Item = (String, String)>) -> Result<BTreeMap<String, String>, OpError> {
    let mut found = BTreeMap::new();
    for (key, value) in labels {
        if let Some(first) = found.insert(key.clone(), value.clone()) {
            let message = format!("--label {key} is given twice: {first:?} and {value:?}");
            return Err(OpError::new(ErrorKind::Usage, message).hint("a label has one value; name it once"));
        }
    }
    Ok(found)
}

/// Reads `KEY=VALUE`.
pub fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as team=payments")?;
    check_key(key).and_then(|()| check_value(value)).map_err(|error| error.to_string())?;
    Ok((key.to_owned(), value.to_owned()))
}

fn label_key(text: &str) -> Result<String, String> {
    check_key(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        changes: ChangesArgs,
    }

    fn changed_by(arguments: &[&str], before: &Attributes) -> Attributes {
        let words = ["x"].iter().chain(arguments);
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).changes.apply(before)
    }

    #[test]
    fn what_is_not_named_stays() {
        let regions = ["eu-central-1", "eu-west-1"].map(|name| name.parse().expect("a Region"));
        let labels = [("team", "a"), ("ring", "b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let before = Attributes {
            tier: Some("gold".parse().expect("a tier")),
            residency: Some("eu".parse().expect("a residency")),
            regions: regions.into(),
            dedicated: true,
            canary: false,
            weight: 7,
            labels: labels.into(),
        };
        assert_eq!(changed_by(&["--weight", "7"], &before), before);
        let less = changed_by(
            &["--no-tier", "--no-residency", "--no-region", "--no-dedicated", "--weight", "1", "--no-label", "team"],
            &before,
        );
        let ring = BTreeMap::from([("ring".to_owned(), "b".to_owned())]);
        assert_eq!(less, Attributes { labels: ring, ..Attributes::default() });
        let more = changed_by(&["--canary", "--label", "team=z", "--region", "us-east-1"], &before);
        assert_eq!(more.labels["team"], "z");
        assert_eq!((more.regions.len(), more.canary, more.weight), (1, true, 7));
    }

    #[test]
    fn a_weight_that_is_none_is_answered_with_the_rule() {
        for text in ["-1", "0", "abc", "1.5", "", "1000000001"] {
            let error = Line::try_parse_from(["x", "--weight", text]).err().expect("refused").to_string();
            assert!(error.contains("use a whole number from 1 to 1000000000"), "{error}");
        }
    }

    #[test]
    fn a_label_that_is_given_twice_is_refused() {
        let pair = |value: &str| ("team".to_owned(), value.to_owned());
        let error = distinct([pair("a"), pair("b")]).expect_err("refused");
        assert_eq!((error.exit_code(), error.message.as_str()), (64, "--label team is given twice: \"a\" and \"b\""));
        assert_eq!(distinct([pair("a")]).expect("one").len(), 1);
    }

    #[test]
    fn a_change_of_nothing_or_of_both_ways_is_refused() {
        for words in [&["x"][..], &["x", "--canary", "--no-canary"], &["x", "--weight", "0"], &["x", "--label", "a"]] {
            assert!(Line::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
